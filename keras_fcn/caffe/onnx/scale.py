"""Scale, Bias, Eltwise and Axpy."""

from __future__ import annotations

from functools import reduce

from keras_fcn.caffe.layers.base import canonical_axis
from keras_fcn.caffe.layers.eltwise import Eltwise
from keras_fcn.caffe.layers.mobile import Axpy
from keras_fcn.caffe.layers.scale import Bias, Broadcast, Scale, ScaleByBottom
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.registry import to_onnx


@to_onnx(Scale, ScaleByBottom)
def scale(layer: Layer[Scale], graph: LayerGraph, x: str, *second: str) -> str:
    """The scale is learned, or the second bottom."""
    y = graph.add("Mul", x, _operand(layer, graph, second))
    if not layer.params.bias_term:
        return y
    return graph.add("Add", y, _learned(layer, graph, len(graph.blobs) - 1))


@to_onnx(Bias)
def bias(layer: Layer[Bias], graph: LayerGraph, x: str, *second: str) -> str:
    """The bias is learned, or the second bottom."""
    return graph.add("Add", x, _operand(layer, graph, second))


def _operand(layer: Layer[Broadcast], graph: LayerGraph, second: tuple[str, ...]) -> str:
    if not second:
        return _learned(layer, graph, 0)
    rank = len(layer.bottoms[1].shape or ())
    return graph.unsqueeze(second[0], *range(rank, rank + _behind(layer, rank)))


def _learned(layer: Layer[Broadcast], graph: LayerGraph, index: int) -> str:
    shape = graph.blobs[index].shape
    return graph.weight(index, (*shape, *(1,) * _behind(layer, len(shape))))


def _behind(layer: Layer[Broadcast], operand: int) -> int:
    """Axes of the bottom behind those of an operand with so many axes."""
    rank = len(layer.bottoms[0].shape or ())
    return rank - canonical_axis(layer.params.axis, rank) - operand if operand else 0


@to_onnx(Eltwise)
def eltwise(layer: Layer[Eltwise], graph: LayerGraph, *bottoms: str) -> str:
    """Operators of two, one after the other; terms of coefficient 0 are left out."""
    params = layer.params
    if params.operation != "SUM":
        operator = {"PROD": "Mul", "MAX": "Max"}[params.operation]
        return reduce(lambda one, other: graph.add(operator, one, other), bottoms)
    coeff = params.coeff or (1.0,) * len(bottoms)
    if layer.tops[0].name == layer.bottoms[0].name:  # Caffe clears the top before it adds
        coeff = (0.0, *coeff[1:])
    terms = [graph.scaled(x, c) for x, c in zip(bottoms, coeff, strict=True) if c != 0]
    if not terms:
        return graph.add("Expand", graph.floats(0.0), graph.add("Shape", bottoms[0]))
    return reduce(lambda one, other: graph.add("Add", one, other), terms)


@to_onnx(Axpy)
def axpy(layer: Layer[Axpy], graph: LayerGraph, *bottoms: str) -> str:
    """One number for each channel times x, plus y."""
    a, x, y = bottoms
    have, rank = (len(blob.shape or ()) for blob in layer.bottoms[:2])
    a = graph.unsqueeze(a, *range(have, rank))
    return graph.add("Add", graph.add("Mul", a, x), y)
