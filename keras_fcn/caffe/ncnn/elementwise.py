"""Functions of single elements, and activations."""

from __future__ import annotations

import math

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers.activation import Dropout, Insanity, PReLU, ReLU, Softmax
from keras_fcn.caffe.layers.elementwise import (
    BNLL,
    ELU,
    SELU,
    AbsVal,
    Clip,
    Exp,
    Log,
    Power,
    Sigmoid,
    Swish,
    TanH,
    Threshold,
)
from keras_fcn.caffe.layers.mobile import ReLU6
from keras_fcn.caffe.layers.spatial_dropout import SpatialDropout
from keras_fcn.caffe.ncnn.graph import MAX, MIN, MUL, LayerGraph, image_axis
from keras_fcn.caffe.ncnn.registry import to_ncnn
from keras_fcn.caffe.net.layer import Layer

_DRAWS = "draws random numbers, which is not written for ncnn"
_TYPES: dict[type[LayerParams], str] = {
    AbsVal: "AbsVal",
    BNLL: "BNLL",
    Sigmoid: "Sigmoid",
    TanH: "TanH",
}
_LOWEST = -float(np.finfo(np.float32).max)


@to_ncnn(*_TYPES)
def function(layer: Layer, graph: LayerGraph, x: str) -> str:
    """One layer without settings."""
    return graph.add(_TYPES[type(layer.params)], x)


@to_ncnn(Clip)
def clip(layer: Layer[Clip], graph: LayerGraph, x: str) -> str:
    """The lower limit counts more."""
    least, most = float(layer.params.min), float(layer.params.max)
    if least > most:
        return graph.by_number(graph.by_number(x, MIN, most), MAX, least)
    return graph.add("Clip", x, settings={0: least, 1: most})


@to_ncnn(ELU)
def elu(layer: Layer[ELU], graph: LayerGraph, x: str) -> str:
    """The same function."""
    return graph.add("ELU", x, settings={0: float(layer.params.alpha)})


@to_ncnn(SELU)
def selu(layer: Layer[SELU], graph: LayerGraph, x: str) -> str:
    """The same function."""
    return graph.add(
        "SELU", x, settings={0: float(layer.params.alpha), 1: float(layer.params.scale)}
    )


@to_ncnn(Exp)
def exp(layer: Layer[Exp], graph: LayerGraph, x: str) -> str:
    """In Caffe's order: the exponential of ln(base) * scale * x, times base ** shift."""
    params = layer.params
    log = 1.0 if params.base == -1 else math.log(params.base)
    raised = graph.add("Exp", x, settings={0: -1.0, 1: log * params.scale, 2: 0.0})
    return graph.scaled(raised, math.exp(log * params.shift))


@to_ncnn(Log)
def log(layer: Layer[Log], graph: LayerGraph, x: str) -> str:
    """The same function, with the natural logarithm."""
    params = layer.params
    settings = {0: -1.0, 1: float(params.scale), 2: float(params.shift)}
    taken = graph.add("Log", x, settings=settings)
    return graph.scaled(taken, 1.0 if params.base == -1 else 1 / math.log(params.base))


@to_ncnn(Power)
def power(layer: Layer[Power], graph: LayerGraph, x: str) -> str:
    """(shift + scale * x) ** power; a constant where x does not count, as in Caffe."""
    params = layer.params
    if params.power * params.scale == 0:
        ones = graph.add("Power", x, settings={0: 0.0, 1: 1.0, 2: 0.0})
        return graph.scaled(ones, 1.0 if params.power == 0 else params.shift**params.power)
    y = graph.scaled(x, params.scale, params.shift)
    if params.power == 1:
        return y
    if params.power == 2:
        return graph.by_tensor(y, MUL, y)
    return graph.add("Power", y, settings={0: float(params.power), 1: 1.0, 2: 0.0})


@to_ncnn(Swish)
def swish(layer: Layer[Swish], graph: LayerGraph, x: str) -> str:
    """As x * sigmoid(beta * x)."""
    gate = graph.add("Sigmoid", graph.scaled(x, layer.params.beta))
    return graph.by_tensor(x, MUL, gate)


@to_ncnn(Threshold)
def threshold(layer: Layer[Threshold], graph: LayerGraph, x: str) -> str:
    """1 above, else 0."""
    return graph.add("Threshold", x, settings={0: float(layer.params.threshold)})


@to_ncnn(ReLU)
def relu(layer: Layer[ReLU], graph: LayerGraph, x: str) -> str:
    """With a slope below 0 if there is one."""
    return _rectified(graph, x, layer.params.negative_slope)


@to_ncnn(ReLU6)
def relu6(layer: Layer[ReLU6], graph: LayerGraph, x: str) -> str:
    """With a greatest value."""
    params = layer.params
    if params.negative_slope == 0:
        return graph.add("Clip", x, settings={0: 0.0, 1: float(params.n)})
    y = _rectified(graph, x, params.negative_slope)
    return graph.add("Clip", y, settings={0: _LOWEST, 1: float(params.n)})


@to_ncnn(Insanity)
def insanity(layer: Layer[Insanity], graph: LayerGraph, x: str) -> str:
    """With the mean of the slopes, as when tested."""
    if graph.training:
        raise UnsupportedLayerError(_DRAWS)
    return _rectified(graph, x, 1 / layer.params.mean)


def _rectified(graph: LayerGraph, x: str, slope: float) -> str:
    return graph.add("ReLU", x, settings={0: float(slope)})


@to_ncnn(PReLU)
def prelu(layer: Layer[PReLU], graph: LayerGraph, x: str) -> str:
    """A slope for each channel, or one."""
    slopes = graph.blobs[0].reshape(-1)
    return graph.add("PReLU", x, settings={0: slopes.size}, weights=[slopes])


@to_ncnn(SpatialDropout)
def spatial_dropout(layer: Layer[SpatialDropout], graph: LayerGraph, x: str) -> str:
    """With the layer's own phase TEST it scales all the same, as in ENet's Caffe."""
    if layer.params.phase == "TRAIN":
        return dropout(layer, graph, x)
    return graph.scaled(x, 1 / (1 - layer.params.p))


@to_ncnn(Dropout)
def dropout(layer: Layer, graph: LayerGraph, x: str) -> str:
    """The identity when tested."""
    if graph.training or getattr(layer.params, "sample_weights_test", False):
        raise UnsupportedLayerError(_DRAWS)
    return x


@to_ncnn(Softmax)
def softmax(layer: Layer[Softmax], graph: LayerGraph, x: str) -> str:
    """Along an axis."""
    axis = image_axis(layer.params.axis, len(layer.bottoms[0].shape or ()))
    return graph.add("Softmax", x, settings={0: axis, 1: 1})
