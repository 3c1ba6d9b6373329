"""DetectionOutput against numpy, one box after another as in SSD's bbox_util.cpp."""

from __future__ import annotations

import itertools
import math

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.inference.inspection import keras_inputs
from keras_fcn.layers import DetectionOutput
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_survives, built
from tests.keras_fcn.layers.checks import assert_config_round_trip


def decode(code_type, prior, offset):
    xmin, ymin, xmax, ymax = prior
    width, height = xmax - xmin, ymax - ymin
    if code_type == "CORNER":
        return prior + offset
    if code_type == "CORNER_SIZE":
        return prior + offset * (width, height, width, height)
    x = offset[0] * width + (xmin + xmax) / 2
    y = offset[1] * height + (ymin + ymax) / 2
    width, height = width * math.exp(offset[2]), height * math.exp(offset[3])
    return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])


def area(box):
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def overlap(one, other):
    shared = np.concatenate([np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])])
    if shared[2] <= shared[0] or shared[3] <= shared[1]:
        return 0.0
    return area(shared) / (area(one) + area(other) - area(shared))


def suppressed(boxes, scores, lowest, allowed, eta, top_k):
    order = sorted((i for i in range(len(scores)) if scores[i] > lowest), key=lambda i: -scores[i])
    kept = []
    for index in order[: None if top_k < 0 else top_k]:
        if all(overlap(boxes[index], boxes[other]) <= allowed for other in kept):
            kept.append(index)
            if allowed > 0.5:
                allowed *= eta
    return kept


def detections(loc, conf, prior, p):
    classes, shared = p["num_classes"], p.get("share_location", True)
    background = p.get("background_label_id", 0)
    priors, variances = prior[0].reshape(2, -1, 4)
    if p.get("variance_encoded_in_target"):
        variances = np.ones_like(variances)
    rows = []
    for image, (offsets, scores) in enumerate(zip(loc, conf, strict=True)):
        offsets = offsets.reshape(len(priors), -1, 4)
        scores = scores.reshape(-1, classes)
        found = []
        for label in (c for c in range(classes) if c != background):
            predicted = offsets[:, 0 if shared else label] * variances
            boxes = [decode(p["code_type"], *pair) for pair in zip(priors, predicted, strict=True)]
            boxes = np.clip(boxes, 0, 1) if p.get("clip") else boxes
            chosen = suppressed(
                boxes,
                scores[:, label],
                p.get("confidence_threshold", -np.inf),
                p["nms_threshold"],
                p.get("eta", 1),
                p.get("top_k", -1),
            )
            found += [(image, label, scores[i, label], *boxes[i]) for i in chosen]
        keep = p.get("keep_top_k", -1)
        best = sorted(found, key=lambda row: -row[2])[: None if keep < 0 else keep]
        rows += [row for row in found if row in best]
    return np.array(rows or [(image, *(-1,) * 6) for image in range(len(loc))])[None, None]


SETTINGS = {
    "adaptive": {"code_type": "CENTER_SIZE", "nms_threshold": 0.9, "eta": 0.7},
    "boxes of each class": {
        "code_type": "CORNER_SIZE",
        "nms_threshold": 0.4,
        "share_location": False,
        "top_k": 7,
    },
    "without background": {
        "code_type": "CORNER",
        "nms_threshold": 0.5,
        "background_label_id": -1,
        "keep_top_k": 6,
        "confidence_threshold": 0.3,
    },
    "background in the middle": {
        "code_type": "CORNER",
        "nms_threshold": 0.0,
        "share_location": False,
        "background_label_id": 1,
        "variance_encoded_in_target": True,
        "keep_top_k": 100,
        "confidence_threshold": 0.6,
    },
    "cut at the border, as OpenCV does": {
        "code_type": "CENTER_SIZE",
        "nms_threshold": 0.5,
        "clip": True,
    },
    "nothing is kept": {"code_type": "CORNER", "nms_threshold": 0.5, "keep_top_k": 0},
}


def predictions(share_location, priors=12, classes=3, images=2):
    rng = np.random.default_rng(5)
    low = rng.uniform(0, 0.5, (priors, 2))
    boxes = np.concatenate([low, low + rng.uniform(0.2, 0.5, (priors, 2))], axis=1)
    groups = 1 if share_location else classes
    return {
        "loc": rng.normal(0, 1, (images, priors * groups * 4)).astype("float32"),
        "conf": rng.uniform(0, 1, (images, priors * classes)).astype("float32"),
        "prior": np.stack([boxes.ravel(), np.full(priors * 4, 0.2)])[None].astype("float32"),
    }


def detection_net(folder, fed, settings):
    inner = {"nms_threshold", "top_k", "eta"}
    text = [
        f"{k}: {str(v).lower() if v in (True, False) else v}"
        for k, v in settings.items()
        if k not in inner
    ]
    nms = [f"{k}: {v}" for k, v in settings.items() if k in inner]
    fields = f"num_classes: 3 {' '.join(text)} nms_param {{ {' '.join(nms)} }}"
    layer = f'type: "DetectionOutput" detection_output_param {{ {fields} }}'
    return built(folder, layer, **{name: blob.shape for name, blob in fed.items()})


@pytest.mark.parametrize("name", SETTINGS)
def test_detections(name, tmp_path):
    settings = SETTINGS[name]
    fed = predictions(settings.get("share_location", True))
    model = detection_net(tmp_path, fed, settings)
    wanted = detections(*fed.values(), {"num_classes": 3, **settings})
    assert_close(keras_fcn.blobs(model, fed)["y"], wanted)
    assert_config_round_trip(model.get_layer("l"))


@pytest.mark.slow
def test_saved(tmp_path):
    fed = predictions(True)
    assert_survives(detection_net(tmp_path, fed, SETTINGS["without background"]), fed, tmp_path)


@pytest.mark.slow
def test_rows_vary_from_call_to_call(tmp_path):
    settings = {"code_type": "CORNER", "nms_threshold": 0.5, "confidence_threshold": 0.8}
    fed = predictions(True)
    model = detection_net(tmp_path, fed, settings)
    counts = set()
    for images, scale in itertools.product((1, 2, 5), (1.0, 0.95, 0.0)):
        more = {name: np.resize(fed[name], (images, fed[name].shape[1])) for name in fed}
        more = {**more, "conf": more["conf"] * scale, "prior": fed["prior"]}
        wanted = detections(*more.values(), {"num_classes": 3, **settings})
        arrays = keras_inputs(model, more)
        assert_close(np.moveaxis(model.predict_on_batch(arrays), -1, 1), wanted)
        counts.add(wanted.shape[2])
    assert len(counts) > 3


def test_half_precision_leaves_boxes_alone():
    fed = predictions(True)
    tensors = [fed["loc"], fed["conf"], np.moveaxis(fed["prior"], 1, -1)]
    wanted = DetectionOutput(3, code_type="CENTER_SIZE")(tensors)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        found = DetectionOutput(3, code_type="CENTER_SIZE")(tensors)
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("loc", "fields", "message"),
    [
        (48, "num_classes: 3 nms_param { eta: 0 }", "eta: 0"),
        (48, "num_classes: 3 nms_param { nms_threshold: -1 }", "nms_threshold: -1"),
        (48, "", "'num_classes' is missing"),
        (48, "num_classes: 1", "num_classes=1"),
        (44, "num_classes: 3", "12 priors need 48 locations"),
        (48, "num_classes: 4", "12 priors need 48 confidences"),
        (48, "num_classes: 3 share_location: false", "12 priors need 144 locations"),
    ],
)
def test_wrong_detection_output(loc, fields, message, tmp_path):
    layer = f'type: "DetectionOutput" detection_output_param {{ {fields} }}'
    confidences = 12 if "num_classes: 1" in fields else 36
    with pytest.raises(CaffeError, match=message):
        built(tmp_path, layer, loc=(1, loc), conf=(1, confidences), prior=(1, 2, 48))


@pytest.mark.slow
def test_rows_with_their_cells(tmp_path):
    """DetectionOutputExtended: the prior of a box tells its anchor and its cell."""
    high, wide, anchors, rng = 2, 3, 4, np.random.default_rng(9)
    number = high * wide * anchors
    fed = predictions(True, number, classes=2)
    fed["loc"] = fed["loc"].reshape(2, high, wide, anchors * 4)
    fed["conf"] = rng.permutation(2 * number * 2).reshape(2, -1).astype("float32")  # no ties
    fields = (
        "num_classes: 2 code_type: CENTER_SIZE keep_top_k: 7 confidence_threshold: 20 "
        "nms_param { nms_threshold: 0.5 top_k: 20 }"
    )
    text = f'type: "DetectionOutputExtended" detection_output_param {{ {fields} }}'
    model = built(tmp_path, text, **{name: blob.shape for name, blob in fed.items()})
    settings = {
        "num_classes": 2,
        "code_type": "CENTER_SIZE",
        "keep_top_k": 7,
        "confidence_threshold": 20,
        "nms_threshold": 0.5,
        "top_k": 20,
    }
    wanted = detections(*fed.values(), settings)[0, 0]
    scores = fed["conf"].reshape(2, number, 2)[..., 1]
    cells = []
    for row in wanted:
        (prior,) = np.nonzero(scores[int(row[0])] == row[2])[0]
        cell, anchor = divmod(int(prior), anchors)
        cells.append((anchor, cell % wide, cell // wide))
    wanted = np.concatenate([wanted, cells], axis=1)[None, None]
    assert_close(keras_fcn.blobs(model, fed)["y"], wanted)
    assert_survives(model, fed, tmp_path)


def test_rows_with_their_cells_are_refused(tmp_path):
    fed = predictions(True, 6, classes=3)
    text = 'type: "DetectionOutputExtended" detection_output_param { num_classes: 3 }'
    shapes = {name: blob.shape for name, blob in fed.items()}
    with pytest.raises(CaffeError, match="needs num_classes: 2"):
        built(tmp_path, text, **shapes)
    with pytest.raises(CaffeError, match="needs a bottom with 4 axes"):
        built(tmp_path, text.replace("3 }", "2 }"), **shapes)
