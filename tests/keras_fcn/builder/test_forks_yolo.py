"""Reorg and Region against numpy."""

from __future__ import annotations

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_gradient, assert_survives, built


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def reorg(x, stride, reverse):
    """Element by element, as reorg_cpu of darknet's blas.c goes."""
    images, channels, height, width = x.shape
    few = channels // stride**2
    flat, out = x.ravel(), np.empty(x.size, x.dtype)
    for b, k, j, i in np.ndindex(x.shape):
        here = i + width * (j + height * (k + channels * b))
        column = i * stride + (k // few) % stride
        row = j * stride + (k // few) // stride
        there = column + width * stride * (row + height * stride * (k % few + few * b))
        if reverse:
            out[there] = flat[here]
        else:
            out[here] = flat[there]
    if reverse:
        return out.reshape(images, few, height * stride, width * stride)
    return out.reshape(images, channels * stride**2, height // stride, width // stride)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("stride", "shape"), [(2, (2, 8, 4, 6)), (3, (1, 9, 3, 6)), (1, (1, 2, 3, 3))]
)
def test_reorg(stride, shape, reverse, tmp_path):
    fields = f"stride: {stride} reverse: {str(reverse).lower()}"
    model = built(tmp_path, f'type: "Reorg" reorg_param {{ {fields} }}', x=shape)
    fed = {"x": normal(*shape)}
    wanted = reorg(fed["x"], stride, reverse)
    np.testing.assert_array_equal(keras_fcn.blobs(model, fed)["y"], wanted)
    assert convert.load_network(tmp_path / "net.prototxt").outputs[0].shape == wanted.shape
    assert_gradient(model, lambda x: reorg(x, stride, reverse), fed, ["x"])
    assert_survives(model, fed, tmp_path)


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ("", (1, 4, 4, 4), "'stride' is missing"),
        ("stride: 0", (1, 4, 4, 4), "stride: 0"),
        ("stride: 2", (1, 6, 4, 4), "stride: 2: 6 channels"),
        ("stride: 2", (1, 4, 4, 5), r"stride: 2 does not divide a map of \(4, 5\)"),
    ],
)
def test_wrong_reorg(fields, shape, message, tmp_path):
    with pytest.raises(CaffeError, match=message):
        built(tmp_path, f'type: "Reorg" reorg_param {{ {fields} }}', x=shape)


def region(x, classes, num, *, softmax, centers, flat):
    """The numbers of each box, darknet's order: x, y, w, h, objectness, classes."""
    images, channels, height, width = x.shape
    boxes = np.asarray(x, "float64").reshape(images, num, 5 + classes, height, width).copy()
    for entry in (0, 1, 4) if centers else (4,):
        boxes[:, :, entry] = 1 / (1 + np.exp(-boxes[:, :, entry]))
    if softmax:
        powers = np.exp(boxes[:, :, 5:])
        boxes[:, :, 5:] = powers / powers.sum(2, keepdims=True)
    boxes = boxes.reshape(x.shape)
    if flat:
        return boxes.reshape(images, channels, -1).transpose(0, 2, 1).reshape(x.shape)
    return boxes


REGIONS = {
    "classes: 3 num: 2": ("openvino", {"softmax": True, "centers": True, "flat": False}),
    "classes: 3 boxes_of_each_grid: 2 softmax: true": (
        "yolov2",
        {"softmax": True, "centers": False, "flat": True},
    ),
    "classes: 3 boxes_of_each_grid: 2": (
        "yolov2",
        {"softmax": False, "centers": False, "flat": True},
    ),
}


@pytest.mark.parametrize("fields", REGIONS)
def test_region(fields, tmp_path):
    fork, settings = REGIONS[fields]
    shape = (2, 16, 3, 4)
    model = built(tmp_path, f'type: "Region" region_param {{ {fields} }}', x=shape)
    fed = {"x": normal(*shape)}

    def function(x):
        return region(x, 3, 2, **settings)

    assert f"{fork}'s" in convert.load_network(tmp_path / "net.prototxt").notes[0]
    assert_close(keras_fcn.blobs(model, fed)["y"], function(fed["x"]))
    assert_gradient(model, function, fed, ["x"], tolerance=1e-3)
    assert_survives(model, fed, tmp_path)


@pytest.mark.parametrize(
    ("fields", "channels", "message"),
    [
        ("classes: 3 num: 2", 15, "num: 2 boxes need 16 channels"),
        ("coords: 5", 130, "coords: 5 must be 4"),
        ("num: 2", 16, "'classes' is missing"),
    ],
)
def test_wrong_region(fields, channels, message, tmp_path):
    with pytest.raises(CaffeError, match=message):
        built(tmp_path, f'type: "Region" region_param {{ {fields} }}', x=(1, channels, 3, 3))
