"""Scale, Bias, Eltwise and Axpy."""

from __future__ import annotations

from functools import reduce

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.layers.base import canonical_axis
from keras_fcn.caffe.layers.eltwise import Eltwise
from keras_fcn.caffe.layers.mobile import Axpy
from keras_fcn.caffe.layers.scale import Bias, Broadcast, Scale, ScaleByBottom
from keras_fcn.caffe.ncnn.graph import ADD, MUL, LayerGraph
from keras_fcn.caffe.ncnn.registry import to_ncnn
from keras_fcn.caffe.net.layer import Layer

_OPERATIONS = {"PROD": 0, "SUM": 1, "MAX": 2}


@to_ncnn(Scale, ScaleByBottom)
def scale(layer: Layer[Scale], graph: LayerGraph, x: str, *second: str) -> str:
    """The scale is learned, or the second bottom; for each channel it is ncnn's own."""
    bias_term = layer.params.bias_term
    if not second and _is_channels(layer):
        weights = graph.blobs[: 1 + bias_term]
        settings = {0: weights[0].size, 1: int(bias_term)}
        return graph.add("Scale", x, settings=settings, weights=weights)
    y = _with_operand(layer, graph, x, MUL, second)
    return _with_learned(layer, graph, y, ADD, -1) if bias_term else y


@to_ncnn(Bias)
def bias(layer: Layer[Bias], graph: LayerGraph, x: str, *second: str) -> str:
    """The bias is learned, or the second bottom."""
    return _with_operand(layer, graph, x, ADD, second)


def _is_channels(layer: Layer[Broadcast]) -> bool:
    rank = len(layer.bottoms[0].shape or ())
    operand = layer.params.operand_shape((layer.bottoms[0].shape or (),))
    return len(operand) == 1 and canonical_axis(layer.params.axis, rank) == 1


def _with_operand(
    layer: Layer[Broadcast], graph: LayerGraph, x: str, function: int, second: tuple[str, ...]
) -> str:
    """A function of a tensor and an operand laid along its axes."""
    if not second:
        return _with_learned(layer, graph, x, function, 0)
    shape, operand = (blob.shape or () for blob in layer.bottoms)
    if not operand or canonical_axis(layer.params.axis, len(shape)) != 0:
        raise UnsupportedLayerError(
            "its second bottom has no axis of images, and ncnn runs one at a time"
        )
    other = second[0]
    if len(operand) < len(shape):
        other = graph.reshape(other, _laid(operand[1:], 0, len(shape) - 1))
    return graph.by_tensor(x, function, other)


def _with_learned(
    layer: Layer[Broadcast], graph: LayerGraph, x: str, function: int, index: int
) -> str:
    """The same of a parameter blob."""
    rank, operand = len(layer.bottoms[0].shape or ()), (layer.weight_shapes or ())[index]
    blob = graph.blobs[index]
    if not operand:
        return graph.by_number(x, function, float(blob.reshape(())))
    first = canonical_axis(layer.params.axis, rank)
    if first == 0:
        if operand[0] != 1:
            raise UnsupportedLayerError("axis: 0: has a number for each image of one batch")
        first, operand = 1, operand[1:]
    laid = _laid(operand, first - 1, max(rank - 1, 1))
    return graph.by_tensor(x, function, graph.constant(blob.reshape([size or 1 for size in laid])))


def _laid(operand: Shape, first: int, axes: int) -> Shape:
    """Sizes with 1 along the axes that an operand does not have."""
    return (*(1,) * first, *operand, *(1,) * (axes - first - len(operand)))


@to_ncnn(Eltwise)
def eltwise(layer: Layer[Eltwise], graph: LayerGraph, *bottoms: str) -> str:
    """Terms of coefficient 0 are left out."""
    params = layer.params
    if params.operation != "SUM":
        return graph.add("Eltwise", *bottoms, settings={0: _OPERATIONS[params.operation]})
    coeff = params.coeff or (1.0,) * len(bottoms)
    if layer.tops[0].name == layer.bottoms[0].name:  # Caffe clears the top before it adds
        coeff = (0.0, *coeff[1:])
    terms = [(x, float(c)) for x, c in zip(bottoms, coeff, strict=True) if c != 0]
    if not terms:  # a maximum of 0 and a minimum of 0, be it of what is no number
        return graph.add("Clip", bottoms[0], settings={0: 0.0, 1: 0.0})
    if len(terms) == 1:
        return graph.scaled(*terms[0])
    if all(c == 1 for _, c in terms) and len({x for x, _ in terms}) == len(terms):
        return graph.add("Eltwise", *(x for x, _ in terms), settings={0: _OPERATIONS["SUM"]})
    return reduce(
        lambda one, other: graph.by_tensor(one, ADD, other),
        [graph.scaled(x, c) for x, c in terms],
    )


@to_ncnn(Axpy)
def axpy(layer: Layer[Axpy], graph: LayerGraph, *bottoms: str) -> str:
    """One number for each channel times x, plus y."""
    a, x, y = bottoms
    have, rank = (len(blob.shape or ()) for blob in layer.bottoms[:2])
    if have < rank:
        a = graph.reshape(a, (None, *(1,) * (rank - 2)))
    return graph.by_tensor(graph.by_tensor(a, MUL, x), ADD, y)
