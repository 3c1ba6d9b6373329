"""Depthwise convolution, ReLU6, ShuffleChannel and Axpy against numpy."""

from __future__ import annotations

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.errors import CaffeError
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


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
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
