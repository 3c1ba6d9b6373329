"""Layers that keep a few numbers of many."""

from __future__ import annotations

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.base import product
from keras_fcn.caffe.layers.reduction import ArgMax, Reduction
from keras_fcn.caffe.ncnn.graph import MUL, SUB, LayerGraph, image_axis
from keras_fcn.caffe.ncnn.registry import to_ncnn
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.nodes.graph import NeedsSizes

_OPERATIONS = {"SUM": 0, "ASUM": 1, "SUMSQ": 2, "MEAN": 3}
_MAXIMUM = 4
_SMALLEST = float(np.finfo(np.float32).tiny)


@to_ncnn(Reduction)
def reduction(layer: Layer[Reduction], graph: LayerGraph, x: str) -> str:
    """One number for all axes from one on."""
    params, rank = layer.params, len(layer.bottoms[0].shape or ())
    axes = range(image_axis(params.axis, rank), rank - 1)
    return graph.reduced(x, _OPERATIONS[params.operation], axes, params.coeff, keep=False)


@to_ncnn(ArgMax)
def argmax(layer: Layer[ArgMax], graph: LayerGraph, x: str) -> str:
    """Places of the largest elements; of equal ones the last, as in Caffe."""
    params, shape = layer.params, layer.bottoms[0].shape or ()
    if params.top_k > 1:
        raise UnsupportedLayerError(f"top_k: {params.top_k}; ncnn finds the largest")
    if params.axis is not None:
        axis = image_axis(params.axis, len(shape))
        largest = graph.reduced(x, _MAXIMUM, [axis])
        if params.out_max_val:
            return largest
        return _places(graph, x, largest, axis, len(shape) - 1, shape[axis + 1])
    flat = graph.add("Flatten", x) if len(shape) > 2 else x
    largest = graph.reduced(flat, _MAXIMUM, [0])
    found = _places(graph, flat, largest, 0, 1, product(shape[1:]))
    if params.out_max_val:
        found = graph.add("Concat", found, largest, settings={0: 0})
    sizes = (2 if params.out_max_val else 1, 1, *(1,) * (len(shape) - 3))
    return graph.reshape(found, sizes)


def _places(graph: LayerGraph, x: str, largest: str, axis: int, axes: int, size: int | None) -> str:
    """Where the largest elements along an axis are, of equal ones the last."""
    if size is None:
        raise NeedsSizes("it needs a map of known size; fix the input's")
    apart = graph.by_tensor(x, SUB, largest)
    is_largest = graph.add("Threshold", apart, settings={0: -_SMALLEST})
    laid = np.arange(size).reshape([-1 if other == axis else 1 for other in range(axes)])
    return graph.reduced(graph.by_tensor(is_largest, MUL, graph.constant(laid)), _MAXIMUM, [axis])
