"""Layers that keep a few numbers of many, and those that pick rows."""

from __future__ import annotations

from typing import Any

from keras_fcn.caffe.layers.base import canonical_axis
from keras_fcn.caffe.layers.reduction import ArgMax, Reduction
from keras_fcn.caffe.layers.selection import BatchReindex, Filter
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.registry import to_onnx

_OPERATORS = {"ASUM": "ReduceL1", "SUMSQ": "ReduceSumSquare", "MEAN": "ReduceMean"}


@to_onnx(Reduction)
def reduction(layer: Layer[Reduction], graph: LayerGraph, x: str) -> str:
    """One number for all axes from one on."""
    params, rank = layer.params, len(layer.bottoms[0].shape or ())
    axes = list(range(canonical_axis(params.axis, rank), rank))
    if axes[0] == 1 and len(axes) > 2:  # OpenCV 4 gets three axes wrong
        x, axes = graph.add("Flatten", x, axis=1), [1]
    if params.operation == "SUM":
        y = graph.add("ReduceSum", x, graph.ints(axes), keepdims=0)
    else:
        y = graph.add(_OPERATORS[params.operation], x, axes=axes, keepdims=0)
    return graph.scaled(y, params.coeff)


@to_onnx(ArgMax)
def argmax(layer: Layer[ArgMax], graph: LayerGraph, x: str) -> str:
    """Places of the largest elements, or these; of equal ones Caffe takes the last first."""
    params, rank = layer.params, len(layer.bottoms[0].shape or ())
    axis = 1 if params.axis is None else canonical_axis(params.axis, rank)
    flat = graph.add("Flatten", x, axis=1) if params.axis is None else x
    values, places = _largest(graph, flat, axis, params.top_k)
    if params.axis is not None:
        return values if params.out_max_val else places
    ones = (1,) * (rank - 3)
    found = [graph.reshape(y, -1, 1, params.top_k, *ones) for y in (places, values)]
    if not params.out_max_val:
        return found[0]
    return graph.add("Concat", *found, axis=1)


def _largest(graph: LayerGraph, x: str, axis: int, count: int) -> tuple[str, str]:
    """Values and places, the largest first: those of the tensor back to front, turned round."""
    turned = graph.reversed(x, axis)
    values, places = graph.add_several(2, "TopK", turned, graph.ints([count]), axis=axis)
    last = graph.add("Sub", graph.sizes(x, axis, axis + 1), graph.ints([1]))
    return values, graph.add("Cast", graph.add("Sub", last, places), to=1)


@to_onnx(BatchReindex)
def batch_reindex(layer: Layer[BatchReindex], graph: LayerGraph, x: str, order: str) -> str:
    """Images in another order."""
    return graph.add("Gather", x, graph.add("Cast", order, to=7), axis=0)


@to_onnx(Filter)
def keep(layer: Layer[Filter], graph: LayerGraph, *bottoms: str) -> Any:
    """The images that the last bottom picks."""
    *filtered, selector = bottoms
    picked = graph.add("Cast", graph.reshape(selector, -1), to=9)
    tops = tuple(graph.add("Compress", x, picked, axis=0) for x in filtered)
    return tops if len(tops) > 1 else tops[0]
