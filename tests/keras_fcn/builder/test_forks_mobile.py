"""Depthwise convolution, ReLU6, ShuffleChannel, Axpy, Reorg and Region against numpy."""

from __future__ import annotations

import numpy as np
import pytest

import convert
import keras_fcn
from convert.errors import CaffeError
from tests.golden import assert_close
from tests.keras_fcn.builder.forks import assert_gradient, assert_survives, built, net
from tests.keras_fcn.builder.texts import caffemodel


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def depthwise(x, kernel, bias, stride, pad, dilation):
    """Window by window, as conv_dw_layer.cpp goes."""
    x = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    size = [(length - dilation * (kernel.shape[2] - 1) - 1) // stride + 1 for length in x.shape[2:]]
    times = kernel.shape[0] // x.shape[1]
    out = np.zeros((len(x), len(kernel), *size))
    for channel, row, column in np.ndindex(len(kernel), *size):
        window = x[:, channel // times, row * stride :: dilation, column * stride :: dilation]
        window = window[:, : kernel.shape[2], : kernel.shape[3]]
        out[:, channel, row, column] = (window * kernel[channel, 0]).sum((1, 2)) + bias[channel]
    return out


@pytest.mark.parametrize("group", ["", "group: 4"])
@pytest.mark.parametrize(
    "kind",
    ["DepthwiseConvolution", "ConvolutionDepthwise", "ConvolutionDepthWise", "DepthwiseConv"],
)
def test_depthwise_convolution(kind, group, tmp_path):
    fields = f"num_output: 4 kernel_size: 3 stride: 2 pad: 1 {group}"
    path = net(tmp_path, f'type: "{kind}" convolution_param {{ {fields} }}', x=(2, 4, 7, 6))
    kernel, bias = normal(4, 1, 3, 3), normal(4, seed=1)
    weights = caffemodel(tmp_path, {"l": (kernel, bias)}, kind)
    fed = {"x": normal(2, 4, 7, 6, seed=2)}
    wanted = depthwise(fed["x"], kernel, bias, 2, 1, 1)
    model = keras_fcn.from_caffe(path, weights)
    assert model.input_shape == (None, None, None, 4)
    assert_close(keras_fcn.blobs(model, fed)["y"], wanted)
    convert.convert(path, weights, tmp_path / "net.h5")
    assert_close(keras_fcn.blobs(keras_fcn.from_caffe(path, tmp_path / "net.h5"), fed)["y"], wanted)
    assert_gradient(
        model, lambda x: depthwise(x, kernel, bias, 2, 1, 1), fed, ["x"], tolerance=1e-3
    )


def test_several_filters_a_channel(tmp_path):
    fields = "num_output: 6 kernel_size: 3 dilation: 2 bias_term: false"
    layer = f'type: "DepthwiseConvolution" convolution_param {{ {fields} }}'
    kernel = normal(6, 1, 3, 3)
    weights = caffemodel(tmp_path, {"l": (kernel,)}, "DepthwiseConvolution")
    model = keras_fcn.from_caffe(net(tmp_path, layer, x=(1, 3, 9, 8)), weights)
    fed = {"x": normal(1, 3, 9, 8, seed=2)}
    wanted = depthwise(fed["x"], kernel, np.zeros(6), 1, 0, 2)
    assert_close(keras_fcn.blobs(model, fed)["y"], wanted)
    assert_survives(model, fed, tmp_path)


def test_filters_must_divide_by_the_channels(tmp_path):
    layer = 'type: "DepthwiseConvolution" convolution_param { num_output: 6 kernel_size: 3 }'
    with pytest.raises(CaffeError, match="num_output: 6 is not a multiple of group: 4"):
        built(tmp_path, layer, x=(1, 4, 9, 8))


@pytest.mark.parametrize(
    ("fields", "n", "slope"),
    [("", 6, 0), ("relu6_param { n: 2 }", 2, 0), ("relu6_param { negative_slope: 0.25 }", 6, 0.25)],
)
def test_relu6(fields, n, slope, tmp_path):
    model = built(tmp_path, f'type: "ReLU6" {fields}', x=(2, 3, 4, 5))
    fed = {"x": normal(2, 3, 4, 5) * 6}

    def function(x):
        return np.minimum(np.maximum(x, 0) + slope * np.minimum(x, 0), n)

    assert_close(keras_fcn.blobs(model, fed)["y"], function(fed["x"]))
    assert_gradient(model, function, fed, ["x"])
    assert_survives(model, fed, tmp_path)


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 3, 4)])
@pytest.mark.parametrize("group", [1, 2, 3])
def test_shuffle_channel(group, shape, tmp_path):
    layer = f'type: "ShuffleChannel" shuffle_channel_param {{ group: {group} }}'
    model = built(tmp_path, layer, x=shape)
    x = normal(*shape)
    wanted = np.empty_like(x)
    for g, c in np.ndindex(group, 6 // group):
        wanted[:, c * group + g] = x[:, g * (6 // group) + c]
    np.testing.assert_array_equal(keras_fcn.blobs(model, {"x": x})["y"], wanted)
    assert_survives(model, {"x": x}, tmp_path)


@pytest.mark.parametrize("tail", [(), (1, 1)])
def test_axpy(tail, tmp_path):
    shapes = {"a": (2, 3, *tail), "x": (2, 3, 4, 5), "y0": (2, 3, 4, 5)}
    model = built(tmp_path, 'type: "Axpy"', **shapes)
    fed = {name: normal(*shape, seed=i) for i, (name, shape) in enumerate(shapes.items())}

    def function(a, x, y):
        return a.reshape(2, 3, 1, 1) * x + y

    assert_close(keras_fcn.blobs(model, fed)["y"], function(*fed.values()))
    assert_gradient(model, function, fed, list(fed), tolerance=1e-3)
    assert_survives(model, fed, tmp_path)


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
    ("layer", "shapes", "message"),
    [
        ('type: "Region" region_param { classes: 3 num: 2 }', [(1, 15, 3, 3)], "need 16 channels"),
        ('type: "Region" region_param { coords: 5 }', [(1, 130, 3, 3)], "coords: 5 must be 4"),
        ('type: "ShuffleChannel" shuffle_channel_param { group: 4 }', [(1, 6, 3, 3)], "group: 4"),
        ('type: "ShuffleChannel" shuffle_channel_param { group: 0 }', [(1, 6, 3, 3)], "group: 0"),
        ('type: "ReLU6" relu6_param { n: -1 }', [(1, 6, 3, 3)], "n: -1"),
        ('type: "Axpy"', [(1, 5, 1, 1), (1, 6, 3, 3), (1, 6, 3, 3)], r"\(1, 5, 1, 1\) has no"),
        ('type: "Axpy"', [(1, 6), (1, 6, 3, 3), (1, 6, 3, 4)], "different shapes"),
    ],
)
def test_wrong_layers(layer, shapes, message, tmp_path):
    with pytest.raises(CaffeError, match=message):
        built(tmp_path, layer, **dict(zip("abc", shapes, strict=False)))
