"""Boxes of YOLO v2 and v3 against numpy, cell by cell as in MobileNet-YOLO's layers."""

from __future__ import annotations

import math

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_survives, built

CLASSES = 3


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def shared(one, other):
    sides = []
    for axis in (0, 1):
        left = max(one[axis] - one[axis + 2] / 2, other[axis] - other[axis + 2] / 2)
        right = min(one[axis] + one[axis + 2] / 2, other[axis] + other[axis + 2] / 2)
        if right < left:
            return 0.0
        sides.append(right - left)
    both = sides[0] * sides[1]
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def rows_of(found, images, threshold):
    found = sorted(found, key=lambda item: -item[0])
    kept = []
    for item in found:
        if all(shared(item[2], other[2]) < threshold for other in kept):
            kept.append(item)
    rows = [
        (0, label + 1, score, x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        for score, label, (x, y, w, h) in kept
    ]
    return np.array(rows or [(image, *(-1,) * 6) for image in range(images)])[None, None]


def box(numbers, i, j, side, anchor, scale):
    return (
        (i + sigmoid(numbers[0])) / side,
        (j + sigmoid(numbers[1])) / side,
        math.exp(numbers[2]) * anchor[0] / (side * scale),
        math.exp(numbers[3]) * anchor[1] / (side * scale),
    )


def yolo3(maps, biases, masks, scales, threshold, nms):
    found = []
    for x, mask, scale in zip(maps, masks, scales, strict=True):
        side = x.shape[3]
        for b, j, i in np.ndindex(len(x), side, side):
            for n, number in enumerate(mask):
                numbers = x[b, n * (5 + CLASSES) : (n + 1) * (5 + CLASSES), j, i]
                anchor = biases[2 * number : 2 * number + 2]
                for label in range(CLASSES):
                    score = sigmoid(numbers[5 + label]) * sigmoid(numbers[4])
                    if score > threshold:
                        found.append((score, label, box(numbers, i, j, side, anchor, scale)))
    return rows_of(found, len(maps[0]), nms)


def yolo2(maps, biases, count, threshold, nms):
    found = []
    for x in maps:
        side = x.shape[3]
        for b, j, i in np.ndindex(len(x), side, side):
            for n in range(count):
                numbers = x[b, n * (5 + CLASSES) : (n + 1) * (5 + CLASSES), j, i]
                powers = np.exp(numbers[5:] - numbers[5:].max())
                label = int(powers.argmax())
                score = sigmoid(numbers[4]) * powers[label] / powers.sum()
                if score >= threshold:
                    anchor = biases[2 * n : 2 * n + 2]
                    found.append((score, label, box(numbers, i, j, side, anchor, 1)))
    return rows_of(found, len(maps[0]), nms)


def maps_of(count, boxes, images=1):
    rng = np.random.default_rng(6)
    channels = boxes * (5 + CLASSES)
    return {
        f"x{k}": rng.normal(0, 1, (images, channels, side, side)).astype("float32")
        for k, side in zip(range(count), (3, 6, 4), strict=False)
    }


BIASES = [20, 37, 49, 94, 73, 201, 143, 265, 153, 121, 280, 279]


@pytest.mark.sweep(3)
@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize(("threshold", "nms"), [(0.3, 0.45), (0.2, 0.2), (0.999, 0.45)])
def test_yolo3(images, threshold, nms, tmp_path):
    fed = maps_of(2, 3, images)
    fields = (
        f"num_classes: {CLASSES} confidence_threshold: {threshold} nms_threshold: {nms} "
        "mask_group_num: 2 mask: 3 mask: 4 mask: 5 mask: 0 mask: 1 mask: 2 "
        f"anchors_scale: 32 anchors_scale: 16 {' '.join(f'biases: {b}' for b in BIASES)}"
    )
    text = f'type: "Yolov3DetectionOutput" yolov3_detection_output_param {{ {fields} }}'
    model = built(tmp_path, text, **{k: x.shape for k, x in fed.items()})
    maps = [x.astype("float64") for x in fed.values()]
    wanted = yolo3(maps, BIASES, [(3, 4, 5), (0, 1, 2)], (32, 16), threshold, nms)
    assert (wanted[0, 0, 0, 1] == -1) == (threshold > 0.9)
    assert_close(keras_fcn.blobs(model, fed)["y"], wanted)
    assert convert.load_network(tmp_path / "net.prototxt").outputs[0].shape == (1, 1, None, 7)
    if (images, nms) == (1, 0.2):
        assert_survives(model, fed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("maps", [1, 2])
@pytest.mark.parametrize(("threshold", "nms"), [(0.3, 0.45), (0.1, 0.3), (0.999, 0.45)])
def test_yolo2(maps, threshold, nms, tmp_path):
    fed = maps_of(maps, 2)
    biases = [0.73, 0.87, 2.42, 2.65]
    fields = (
        f"side: 13 num_classes: {CLASSES} num_box: 2 coords: 4 label_map_file: 'labels' "
        f"confidence_threshold: {threshold} nms_threshold: {nms} "
        f"{' '.join(f'biases: {b}' for b in biases)}"
    )
    text = f'type: "YoloDetectionOutput" yolo_detection_output_param {{ {fields} }}'
    model = built(tmp_path, text, **{k: x.shape for k, x in fed.items()})
    exact = [x.astype("float64") for x in fed.values()]
    assert_close(keras_fcn.blobs(model, fed)["y"], yolo2(exact, biases, 2, threshold, nms))
    if (maps, nms) == (2, 0.3):
        assert_survives(model, fed, tmp_path)


V3 = "num_classes: 3 mask: 0 mask: 1 mask: 2 anchors_scale: 32 " + " ".join(
    f"biases: {b}" for b in BIASES
)


@pytest.mark.parametrize(
    ("kind", "fields", "shape", "message"),
    [
        ("Yolov3", f"{V3} mask_group_num: 2", (1, 24, 2, 2), "mask_group_num: 2 needs"),
        ("Yolov3", f"{V3} mask_group_num: 1 num_box: 4", (1, 32, 2, 2), "mask: .* too short"),
        ("Yolov3", f"{V3} mask_group_num: 1", (1, 23, 2, 2), "need 24 channels"),
        ("Yolov3", f"{V3} mask_group_num: 1", (1, 24, 2, 3), "as high as wide"),
        ("Yolov3", "mask_group_num: 1", (1, 24, 2, 2), "'num_classes' is missing"),
        (
            "Yolov3",
            "num_classes: 3 mask_group_num: 1 mask: 0 mask: 1 mask: 2",
            (1, 24, 2, 2),
            "anchors_scale",
        ),
        ("Yolo", "num_classes: 3", (1, 40, 2, 2), "biases: 0 numbers"),
        ("Yolo", "num_classes: 3 coords: 5", (1, 40, 2, 2), "coords: 5"),
        ("Yolo", "num_classes: 0", (1, 40, 2, 2), "num_classes: 0"),
    ],
)
def test_refused(kind, fields, shape, message, tmp_path):
    name = f"{kind.lower()}_detection_output_param"
    with pytest.raises(CaffeError, match=message):
        built(tmp_path, f'type: "{kind}DetectionOutput" {name} {{ {fields} }}', x=shape)
