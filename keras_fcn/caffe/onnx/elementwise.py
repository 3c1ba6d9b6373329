"""Functions of single elements, and activations."""

from __future__ import annotations

import math

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers.activation import Dropout, Insanity, PReLU, ReLU, Softmax
from keras_fcn.caffe.layers.base import canonical_axis
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
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.registry import to_onnx

_OPERATORS: dict[type[LayerParams], str] = {
    AbsVal: "Abs",
    BNLL: "Softplus",
    Sigmoid: "Sigmoid",
    TanH: "Tanh",
}


@to_onnx(*_OPERATORS)
def function(layer: Layer, graph: LayerGraph, x: str) -> str:
    """One operator without settings."""
    return graph.add(_OPERATORS[type(layer.params)], x)


@to_onnx(Clip)
def clip(layer: Layer[Clip], graph: LayerGraph, x: str) -> str:
    """Limits are inputs of the operator; the lower one counts more."""
    least, most = (graph.floats(limit) for limit in (layer.params.min, layer.params.max))
    if layer.params.min > layer.params.max:
        return graph.add("Max", graph.add("Min", x, most), least)
    return graph.add("Clip", x, least, most)


@to_onnx(ELU)
def elu(layer: Layer[ELU], graph: LayerGraph, x: str) -> str:
    """The same function."""
    return graph.add("Elu", x, alpha=float(layer.params.alpha))


@to_onnx(SELU)
def selu(layer: Layer[SELU], graph: LayerGraph, x: str) -> str:
    """The same function."""
    params = layer.params
    return graph.add("Selu", x, alpha=float(params.alpha), gamma=float(params.scale))


@to_onnx(Exp)
def exp(layer: Layer[Exp], graph: LayerGraph, x: str) -> str:
    """In Caffe's order: the exponential of ln(base) * scale * x, times base ** shift."""
    params = layer.params
    log = 1.0 if params.base == -1 else math.log(params.base)
    raised = graph.add("Exp", graph.scaled(x, log * params.scale))
    return graph.scaled(raised, math.exp(log * params.shift))


@to_onnx(Log)
def log(layer: Layer[Log], graph: LayerGraph, x: str) -> str:
    """As ln(shift + scale * x) / ln(base)."""
    params = layer.params
    taken = graph.add("Log", graph.scaled(x, params.scale, params.shift))
    return graph.scaled(taken, 1.0 if params.base == -1 else 1 / math.log(params.base))


@to_onnx(Power)
def power(layer: Layer[Power], graph: LayerGraph, x: str) -> str:
    """(shift + scale * x) ** power; a constant where x does not count, as in Caffe."""
    params = layer.params
    if params.power * params.scale == 0:
        value = 1.0 if params.power == 0 else params.shift**params.power
        return graph.add("Expand", graph.floats(value), graph.add("Shape", x))
    y = graph.scaled(x, params.scale, params.shift)
    if params.power == 1:
        return y
    if params.power == 2:
        return graph.add("Mul", y, y)
    return graph.add("Pow", y, graph.floats(params.power))


@to_onnx(Swish)
def swish(layer: Layer[Swish], graph: LayerGraph, x: str) -> str:
    """As x * sigmoid(beta * x)."""
    return graph.add("Mul", x, graph.add("Sigmoid", graph.scaled(x, layer.params.beta)))


@to_onnx(Threshold)
def threshold(layer: Layer[Threshold], graph: LayerGraph, x: str) -> str:
    """1 above, else 0."""
    above = graph.add("Greater", x, graph.floats(layer.params.threshold))
    return graph.add("Cast", above, to=1)


@to_onnx(ReLU)
def relu(layer: Layer[ReLU], graph: LayerGraph, x: str) -> str:
    """With a slope below 0 if there is one."""
    return _rectified(graph, x, layer.params.negative_slope)


@to_onnx(ReLU6)
def relu6(layer: Layer[ReLU6], graph: LayerGraph, x: str) -> str:
    """With a greatest value."""
    params = layer.params
    if params.negative_slope == 0:
        return graph.add("Clip", x, graph.floats(0.0), graph.floats(params.n))
    return graph.add("Min", _rectified(graph, x, params.negative_slope), graph.floats(params.n))


@to_onnx(Insanity)
def insanity(layer: Layer[Insanity], graph: LayerGraph, x: str) -> str:
    """With the mean of the slopes, as when tested."""
    if graph.training:
        raise UnsupportedLayerError("draws random numbers, which is not written as ONNX")
    return _rectified(graph, x, 1 / layer.params.mean)


def _rectified(graph: LayerGraph, x: str, slope: float) -> str:
    if slope == 0:
        return graph.add("Relu", x)
    return graph.add("LeakyRelu", x, alpha=float(slope))


@to_onnx(PReLU)
def prelu(layer: Layer[PReLU], graph: LayerGraph, x: str) -> str:
    """A slope for each channel, or one."""
    rank = len(layer.bottoms[0].shape or ())
    shape = (1,) if layer.params.channel_shared else (-1, *(1,) * (rank - 2))
    return graph.add("PRelu", x, graph.weight(0, shape))


@to_onnx(SpatialDropout)
def spatial_dropout(layer: Layer[SpatialDropout], graph: LayerGraph, x: str) -> str:
    """With the layer's own phase TEST it scales all the same, as in ENet's Caffe."""
    if layer.params.phase == "TRAIN":
        return dropout(layer, graph, x)
    return graph.scaled(x, 1 / (1 - layer.params.p))


@to_onnx(Dropout)
def dropout(layer: Layer, graph: LayerGraph, x: str) -> str:
    """The identity when tested."""
    if graph.training or getattr(layer.params, "sample_weights_test", False):
        raise UnsupportedLayerError("draws random numbers, which is not written as ONNX")
    return x


@to_onnx(Softmax)
def softmax(layer: Layer[Softmax], graph: LayerGraph, x: str) -> str:
    """Along one axis."""
    rank = len(layer.bottoms[0].shape or ())
    return graph.add("Softmax", x, axis=canonical_axis(layer.params.axis, rank))
