"""RegionLoss against numpy, box after box as in MobileNet-YOLO's layer."""

from __future__ import annotations

import math

import numpy as np
import pytest

import convert
import keras_fcn
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_survives, built, gradients
from tests.keras_fcn.builder.test_forks_yolo_output import shared, sigmoid

CLASSES, SIDE = 3, 4
BIASES = [0.5, 0.7, 1.4, 1.1, 2.2, 2.8]
DEFAULTS = {
    "bias_match": 1,
    "rescore": 1,
    "object_scale": 1.0,
    "class_scale": 1.0,
    "noobject_scale": 0.5,
    "coord_scale": 5.0,
    "thresh": 0.2,
}


def box(x, n, i, j):
    return (
        (i + sigmoid(x[0])) / SIDE,
        (j + sigmoid(x[1])) / SIDE,
        math.exp(x[2]) * BIASES[2 * n] / SIDE,
        math.exp(x[3]) * BIASES[2 * n + 1] / SIDE,
    )


def put_box(diff, true, x, n, i, j, scale):
    target = (
        true[0] * SIDE - i,
        true[1] * SIDE - j,
        math.log(true[2] * SIDE / BIASES[2 * n]),
        math.log(true[3] * SIDE / BIASES[2 * n + 1]),
    )
    for k in (0, 1):
        s = sigmoid(x[k])
        diff[k] = -scale * (target[k] - s) * s * (1 - s)
    for k in (2, 3):
        diff[k] = -scale * (target[k] - x[k])


def errors_of(data, objects, warm, p):
    """(images, anchors, numbers, rows, columns)"""
    x = data.reshape(len(data), len(BIASES) // 2, 5 + CLASSES, SIDE, SIDE)
    diff = np.zeros(x.shape)
    for b in range(len(x)):
        rows = objects[b].reshape(-1, 5)
        for j, i, n in np.ndindex(SIDE, SIDE, x.shape[1]):
            numbers, out = x[b, n, :, j, i], diff[b, n, :, j, i]
            best = 0.0
            for row in rows:
                if row[1] == 0:
                    break
                best = max(best, shared(box(numbers, n, i, j), row[1:]))
            s = sigmoid(numbers[4])
            out[4] = 0 if best > p["thresh"] else p["noobject_scale"] * s * s * (1 - s)
            if warm:
                anchor = (
                    (i + 0.5) / SIDE,
                    (j + 0.5) / SIDE,
                    BIASES[2 * n] / SIDE,
                    BIASES[2 * n + 1] / SIDE,
                )
                put_box(out, anchor, numbers, n, i, j, 0.01)
        for label, *true in rows:
            if true[2] == 0:
                break
            i, j = int(true[0] * SIDE), int(true[1] * SIDE)
            fits = []
            for n in range(x.shape[1]):
                size = box(x[b, n, :, j, i], n, i, j)[2:]
                if p["bias_match"]:
                    size = (BIASES[2 * n] / SIDE, BIASES[2 * n + 1] / SIDE)
                fits.append(shared((0, 0, *size), (0, 0, *true[2:])))
            n = int(np.argmax(fits))
            numbers, out = x[b, n, :, j, i], diff[b, n, :, j, i]
            scale = p["coord_scale"] * (1 if p["rescore"] else 2 - true[2] * true[3])
            put_box(out, true, numbers, n, i, j, scale)
            wanted = shared(box(numbers, n, i, j), true) if p["rescore"] else 1.0
            s = sigmoid(numbers[4])
            out[4] = -p["object_scale"] * (wanted - s) * s * (1 - s)
            powers = np.exp(numbers[5:])
            for c in range(CLASSES):
                out[5 + c] = -p["class_scale"] * ((c == int(label)) - powers[c] / powers.sum())
    return diff.reshape(data.shape)


def bottoms(rows=30):
    rng = np.random.default_rng(4)
    objects = np.zeros((2, 1, rows, 5), "float32")
    objects[..., 1:3] = rng.uniform(0.1, 0.9, (2, 1, rows, 2))
    objects[..., 3:] = rng.uniform(0.1, 0.6, (2, 1, rows, 2))
    objects[..., 0] = rng.integers(0, CLASSES, (2, 1, rows))
    objects[0, 0, 6:] = 0
    objects[0, 0, 3, 1:] = objects[0, 0, 1, 1:]  # the same box once more
    objects[0, 0, 3, 0] = (objects[0, 0, 1, 0] + 1) % CLASSES
    objects[1, 0, 2:] = 0
    data = rng.normal(0, 1, (2, 3 * (5 + CLASSES), SIDE, SIDE)).astype("float32")
    return {"data": data, "objects": objects}


def text_of(p):
    fields = " ".join(f"{k}: {v}" for k, v in p.items())
    biases = " ".join(f"biases: {b}" for b in BIASES)
    return (
        f'type: "RegionLoss" region_loss_param {{ side: 13 num_class: {CLASSES} coords: 4 num: 3 '
        f"softmax: 1 jitter: 0.2 absolute: 1 random: 0 {fields} {biases} }}"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rescore": 0, "thresh": 0.4, "object_scale": 5.0, "noobject_scale": 1.0},
        {"bias_match": 0, "class_scale": 2.0, "coord_scale": 1.0},
    ],
)
def test_loss_and_gradient(settings, tmp_path):
    p, fed = DEFAULTS | settings, bottoms()
    model = built(tmp_path, text_of(settings), **{k: x.shape for k, x in fed.items()})
    exact = [x.astype("float64") for x in fed.values()]
    for calls in (0, 6400):  # 12,800 images
        layer = model.get_layer("l")
        layer._calls.assign(calls)
        wanted = errors_of(*exact, calls == 0, p)
        assert_close(keras_fcn.blobs(model, fed)["y"], (wanted**2).sum() / 2)
        layer._calls.assign(calls)
        found = gradients(model, fed, np.float32(1))
        assert_close(found["data"], wanted / 2)
        assert found["objects"] is None
    assert model.weights == []
    layer.reset_state()
    assert_survives(model, fed, tmp_path)


def test_no_object(tmp_path):
    fed = bottoms()
    fed["objects"][...] = 0
    model = built(tmp_path, text_of({}), **{k: x.shape for k, x in fed.items()})
    wanted = errors_of(*(x.astype("float64") for x in fed.values()), True, DEFAULTS)
    assert_close(keras_fcn.blobs(model, fed)["y"], (wanted**2).sum() / 2)


@pytest.mark.parametrize(
    ("text", "shapes", "message"),
    [
        (text_of({}), {"objects": (1, 1, 4, 8)}, "rows of five numbers"),
        (text_of({}), {"data": (2, 25, 4, 4)}, "need 24 channels"),
        (text_of({"softmax_tree": "'tree'"}), {}, "softmax_tree"),
        (text_of({}).replace("num: 3", "num: 4"), {}, "biases"),
    ],
)
def test_refused(text, shapes, message, tmp_path):
    shapes = {k: x.shape for k, x in bottoms().items()} | shapes
    with pytest.raises(convert.CaffeError, match=message):
        built(tmp_path, text, **shapes)


@pytest.mark.slow
def test_annotated_data_of_yolo(tmp_path):
    (tmp_path / "net.prototxt").write_text(
        """
        layer { name: "data" type: "AnnotatedData" top: "data" top: "label"
          transform_param { mean_value: 1 mean_value: 2 mean_value: 3 crop_size: 8 }
          annotated_data_param { batch_sampler { sampler { min_scale: 0.3 } max_sample: 1 }
            label_map_file: "map" yolo_data_type: 1 yolo_data_jitter: 0.1 } }
        layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
          convolution_param { num_output: 24 kernel_size: 2 stride: 2 } }
        """
        f'layer {{ name: "l" bottom: "conv" bottom: "label" top: "y" {text_of({})} }}'
    )
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt", phase="TRAIN")
    objects = np.zeros((2, 300, 5, 1), "float32")
    objects[0, :2, 1:] = 0.4
    for part in (objects, objects[:1]):
        loss = model([np.ones((len(part), 8, 8, 3), "float32"), part])
        assert np.isfinite(loss)
        assert loss > 0
