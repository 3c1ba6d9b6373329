"""Pooling and SPP: windows that hang over the edge, as padding behind the map."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.pooling import Pooling
from keras_fcn.caffe.layers.spp import SPP
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.nodes.graph import NeedsSizes
from keras_fcn.caffe.nodes.windows import Axis, pooling_axes, spp_axes
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.registry import to_onnx

_LOWEST = -3.4028234663852886e38  # Caffe's -FLT_MAX


@to_onnx(Pooling)
def pooling(layer: Layer[Pooling], graph: LayerGraph, x: str) -> Any:
    """Maxima, perhaps with their places, or means."""
    params = layer.params
    if params.pool == "STOCHASTIC" and graph.training:
        raise UnsupportedLayerError(
            "pool: STOCHASTIC draws when trained, which is not written as ONNX"
        )
    with_mask = len(layer.tops) > 1
    if params.global_pooling or params.kernel_size is None:
        return _global_pooling(graph, x, params.pool, with_mask)
    return pooled(graph, x, params.pool, pooling_axes(layer), with_mask)


@to_onnx(SPP)
def spp(layer: Layer[SPP], graph: LayerGraph, x: str) -> str:
    """Poolings of each level, flattened and laid end to end."""
    params, sizes = layer.params, (layer.bottoms[0].shape or ())[2:]
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        raise NeedsSizes("its bins need a map of known size; fix the input's")
    levels = [pooled(graph, x, params.pool, axes) for axes in spp_axes(params, known)]
    if len(levels) == 1:
        return str(levels[0])
    return graph.add("Concat", *(graph.add("Flatten", y, axis=1) for y in levels), axis=1)


def pooled(
    graph: LayerGraph, x: str, pool: str, axes: Sequence[Axis], with_mask: bool = False
) -> Any:
    """The pooling of a map along its last axes."""
    if pool == "MAX":
        return _maxima(graph, x, axes, with_mask)
    if pool in ("AVE", "AVE_EXC_PAD", "AVE_TF"):
        return _means(graph, x, axes, padding=pool == "AVE")
    if pool == "STOCHASTIC":
        padded = _padded(graph, x, axes, 0.0)
        return _weighed_by_itself(
            graph, padded, lambda y: graph.add("AveragePool", y, **_windows(axes, True))
        )
    raise UnsupportedLayerError(f"pool: {pool} is not written as ONNX")


def _windows(axes: Sequence[Axis], padded: bool) -> dict[str, Any]:
    pads = [axis.pad for axis in axes], [axis.needed for axis in axes]
    return {
        "kernel_shape": [axis.length for axis in axes],
        "strides": [axis.stride for axis in axes],
        "pads": [0] * 2 * len(axes) if padded else [*pads[0], *pads[1]],
    }


def _padded(graph: LayerGraph, x: str, axes: Sequence[Axis], value: float) -> str:
    before, after = ([0, 0, *(getattr(axis, side) for axis in axes)] for side in ("pad", "needed"))
    return graph.pad(x, before, after, value)


def _maxima(graph: LayerGraph, x: str, axes: Sequence[Axis], with_mask: bool) -> Any:
    # Runtimes refuse as much padding as a window has positions; Caffe gives -FLT_MAX there.
    explicit = any(axis.needed >= axis.extent for axis in axes)
    if with_mask and explicit:
        raise UnsupportedLayerError("no mask is written where windows may hold no position")
    if explicit:
        x = _padded(graph, x, axes, _LOWEST)
    settings = _windows(axes, explicit)
    if any(axis.dilation > 1 for axis in axes):
        settings["dilations"] = [axis.dilation for axis in axes]
    if not with_mask:
        return graph.add("MaxPool", x, **settings)
    maxima, places = graph.add_several(2, "MaxPool", x, **settings)
    # The places count through all images and channels.
    plane = graph.add("ReduceProd", graph.sizes(x, 2), axes=[0], keepdims=1)
    return maxima, graph.add("Cast", graph.add("Mod", places, plane), to=1)


def _means(graph: LayerGraph, x: str, axes: Sequence[Axis], padding: bool) -> str:
    """Means over the positions of a window that count.

    Args:
        graph: where to add.
        x: the map.
        axes: the windows.
        padding: whether the padding counts, as zeros; what lies behind it never does.
    """
    # Padded by itself, as OpenCV 4 does not know `count_include_pad`.
    sums = graph.add("AveragePool", _padded(graph, x, axes, 0.0), **_windows(axes, True))
    if padding and all(axis.needed <= axis.pad for axis in axes):
        return sums
    sizes = [axis.size for axis in axes]
    if None not in sizes:
        counts = math.prod(np.ix_(*(axis.counts(padding) for axis in axes)))
        whole = math.prod(axis.length for axis in axes)
        with np.errstate(divide="ignore"):
            shares = whole / np.asarray(counts, np.float32)
        return graph.add("Mul", sums, graph.floats(shares[None, None]))
    if any(axis.stride > axis.length for axis in axes):
        raise NeedsSizes("a window may lie wholly behind the map; fix the input's size")
    ones = graph.add("Expand", graph.floats(1.0), _one_plane(graph, x))
    if padding:
        sides = [0, 0, *(axis.pad for axis in axes)]
        ones = graph.pad(ones, sides, sides, 1.0)
        rest = [0, 0, *(max(axis.needed - axis.pad, 0) for axis in axes)]
        ones = graph.pad(ones, [0] * len(rest), rest)
    else:
        ones = _padded(graph, ones, axes, 0.0)
    return graph.add("Div", sums, graph.add("AveragePool", ones, **_windows(axes, True)))


def _one_plane(graph: LayerGraph, x: str) -> str:
    return graph.add("Concat", graph.ints([1, 1]), graph.sizes(x, 2), axis=0)


def _global_pooling(graph: LayerGraph, x: str, pool: str, with_mask: bool) -> Any:
    if pool == "MAX" and with_mask:
        flat = graph.reshape(x, 0, 0, -1)
        places = graph.add("ArgMax", flat, axis=2, keepdims=1)
        mask = graph.unsqueeze(graph.add("Cast", places, to=1), 3)
        return graph.add("GlobalMaxPool", x), mask
    if pool == "STOCHASTIC":
        return _weighed_by_itself(graph, x, lambda y: graph.add("GlobalAveragePool", y))
    operators = {
        "MAX": "GlobalMaxPool",
        **dict.fromkeys(("AVE", "AVE_EXC_PAD", "AVE_TF"), "GlobalAveragePool"),
    }
    if pool not in operators:
        raise UnsupportedLayerError(f"pool: {pool} is not written as ONNX")
    return graph.add(operators[pool], x)


def _weighed_by_itself(graph: LayerGraph, x: str, mean: Callable[[str], str]) -> str:
    """What is drawn in the mean: sum(x ** 2) / sum(x), 0 where that is 0."""
    squares, sums, zero = mean(graph.add("Mul", x, x)), mean(x), graph.floats(0.0)
    positive = graph.add("Greater", sums, zero)
    divisor = graph.add("Where", positive, sums, graph.floats(1.0))
    return graph.add("Where", positive, graph.add("Div", squares, divisor), zero)
