"""Pooling, SPP and Pooling3D, with padding behind the map for windows that hang over the edge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.pooling import Pooling
from keras_fcn.caffe.layers.spp import SPP
from keras_fcn.caffe.layers.volumetric import Pooling3D
from keras_fcn.caffe.ncnn.graph import MUL, LayerGraph, known_sizes
from keras_fcn.caffe.ncnn.registry import to_ncnn
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.nodes.graph import NeedsSizes
from keras_fcn.caffe.nodes.windows import Axis, pooling3d_axes, pooling_axes, spp_axes

_KINDS = {"MAX": 0, "AVE": 1, "AVE_EXC_PAD": 1, "AVE_TF": 1}
_LENGTHS, _STRIDES = (1, 11, 21), (2, 12, 22)
"""ncnn's numbers of them along w, h and d."""
_PADS = ((3, 14), (13, 15), (23, 16))
"""ncnn's numbers of positions before and behind a map along w, h and d."""
_VALID = {5: 1}
"""Windows that do not fit are dropped."""


@to_ncnn(Pooling)
def pooling(layer: Layer[Pooling], graph: LayerGraph, x: str) -> str:
    """Maxima or means."""
    params = layer.params
    if len(layer.tops) > 1:
        raise UnsupportedLayerError("its mask, the second top, is not written: ncnn has none")
    kind = _kind(params.pool)
    if params.global_pooling or params.kernel_size is None:
        y = graph.add("Pooling", x, settings={0: kind, 4: 1})
        return graph.reshape(y, (None, 1, 1))
    if params.dilation != (1, 1):
        raise UnsupportedLayerError(f"dilation: {params.dilation}: ncnn's windows have no gaps")
    return _pooled(graph, x, params.pool, pooling_axes(layer))


@to_ncnn(SPP)
def spp(layer: Layer[SPP], graph: LayerGraph, x: str) -> str:
    """Poolings of each level, flattened and laid end to end."""
    params = layer.params
    sizes = known_sizes(layer.bottoms[0].shape or ())
    levels = [_pooled(graph, x, params.pool, axes) for axes in spp_axes(params, sizes[1:])]
    if len(levels) == 1:
        return levels[0]
    return graph.add("Concat", *(graph.add("Flatten", y) for y in levels), settings={0: 0})


@to_ncnn(Pooling3D)
def pooling3d(layer: Layer[Pooling3D], graph: LayerGraph, x: str) -> str:
    """Maxima or means; what lies behind the map does not count."""
    return _pooled(graph, x, layer.params.pool, pooling3d_axes(layer))


def _kind(pool: str) -> int:
    if pool not in _KINDS:
        raise UnsupportedLayerError(f"pool: {pool} is not written; ncnn has MAX and AVE")
    return _KINDS[pool]


def _pooled(graph: LayerGraph, x: str, pool: str, axes: Sequence[Axis]) -> str:
    """The pooling of a map along its last axes."""
    windows: dict[int, Any] = {0: _kind(pool), **_VALID}
    windows |= zip(_LENGTHS, (axis.length for axis in reversed(axes)), strict=False)
    windows |= zip(_STRIDES, (axis.stride for axis in reversed(axes)), strict=False)
    name = "Pooling" if len(axes) == 2 else "Pooling3D"
    if pool == "MAX":
        return graph.add(name, x, settings=windows | _sides(axes))
    if pool == "AVE" and all(axis.needed <= axis.pad for axis in axes):
        return graph.add(name, x, settings=windows | _sides(axes) | {6: 1})
    padded = pool == "AVE" and any(axis.pad for axis in axes)
    if not padded and not any(_may_be_empty(axis) for axis in axes):
        return graph.add(name, x, settings=windows | _sides(axes) | {6: 0})
    if any(axis.size is None for axis in axes):
        raise NeedsSizes("what of its windows lies on padding needs a map of known size")
    means = graph.add(name, x, settings=windows | _sides(axes) | {6: 1})
    counts = math.prod(np.ix_(*(axis.counts(pool == "AVE") for axis in axes)))
    with np.errstate(divide="ignore"):
        shares = math.prod(axis.length for axis in axes) / np.asarray(counts, np.float32)
    return graph.by_tensor(means, MUL, graph.constant(shares[None]))


def _sides(axes: Sequence[Axis]) -> dict[int, int]:
    """Positions before and behind the map."""
    sides: dict[int, int] = {}
    for (before, behind), axis in zip(_PADS, reversed(axes), strict=False):
        sides |= {before: axis.pad, behind: axis.needed}
    return sides


def _may_be_empty(axis: Axis) -> bool:
    """Whether a window may lie wholly behind the map."""
    if axis.size is None:
        return axis.stride > axis.length
    return bool((axis.counts(padding=False) <= 0).any())
