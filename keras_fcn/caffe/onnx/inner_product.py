"""InnerProduct and Embed."""

from __future__ import annotations

from keras_fcn.caffe.layers.base import canonical_axis
from keras_fcn.caffe.layers.inner_product import InnerProduct
from keras_fcn.caffe.layers.selection import Embed
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.registry import to_onnx


@to_onnx(InnerProduct)
def inner_product(layer: Layer[InnerProduct], graph: LayerGraph, x: str) -> str:
    """A product of matrices; the weights are Caffe's as they are."""
    params = layer.params
    rank = len(layer.bottoms[0].shape or ())
    axis = canonical_axis(params.axis, rank)
    flat = x if (axis, rank) == (1, 2) else graph.add("Flatten", x, axis=axis)
    weights = [graph.weight(0), *(graph.weight(1) for _ in range(params.bias_term))]
    y = graph.add("Gemm", flat, *weights, transB=0 if params.transpose else 1)
    if axis == 1:
        return y
    if axis == 0:
        return graph.squeeze(y, 0)
    before = graph.sizes(x, 0, axis)
    return graph.add("Reshape", y, graph.add("Concat", before, graph.ints([-1]), axis=0))


@to_onnx(Embed)
def embed(layer: Layer[Embed], graph: LayerGraph, x: str) -> str:
    """Rows of a table."""
    y = graph.add("Gather", graph.weight(0), graph.add("Cast", x, to=7), axis=0)
    return graph.add("Add", y, graph.weight(1)) if layer.params.bias_term else y
