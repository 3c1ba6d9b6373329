"""Maps in another size: Interp, the Upsample of two forks, Resample, Resize, Accum."""

from __future__ import annotations

import numpy as np

from keras_fcn.caffe.layers.base import Array, known
from keras_fcn.caffe.layers.flow import Accum, Resample, Resize
from keras_fcn.caffe.layers.interp import Interp
from keras_fcn.caffe.layers.upsample import NearestUpsample, SegNetUpsample
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.nodes.graph import NeedsSizes
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.registry import to_onnx

_MAP = slice(2, 4)
"""Axes of height and width."""
_LAST = np.iinfo(np.int64).max


@to_onnx(Interp)
def interp(layer: Layer[Interp], graph: LayerGraph, x: str, *like: str) -> str:
    """What is left of the map, bilinear, corners on corners."""
    params = layer.params
    size, zoom, shrink = params.rule
    if params.pad_beg or params.pad_end:
        start, end = ([side] * 2 for side in (-params.pad_beg, params.pad_end or _LAST))
        x = graph.add("Slice", x, *(graph.ints(values) for values in (start, end, [2, 3])))
    wanted = known((layer.tops[0].shape or ())[_MAP])
    if wanted is not None:
        return _on_corners(graph, x, graph.ints(wanted))
    if (size, zoom, shrink) == (None, None, None):
        return _on_corners(graph, x, graph.sizes(like[0], 2, 4))
    steps = graph.shifted(graph.sizes(x, 2, 4), -1)
    if shrink is not None:
        steps = graph.add("Div", steps, graph.ints(shrink))
    if zoom is not None:
        steps = graph.add("Mul", steps, graph.ints(zoom))
    return _on_corners(graph, x, graph.shifted(steps, 1))


def _on_corners(graph: LayerGraph, x: str, size: str) -> str:
    """Bilinear, first pixel on first, last on last."""
    sizes = graph.add("Concat", graph.sizes(x, 0, 2), size, axis=0)
    settings = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    return graph.add("Resize", x, "", "", sizes, **settings)


@to_onnx(NearestUpsample)
def nearest_upsample(layer: Layer[NearestUpsample], graph: LayerGraph, x: str) -> str:
    """Repeats pixels."""
    scales = graph.floats([1, 1, *(layer.params.scale,) * 2])
    return graph.add(
        "Resize",
        x,
        "",
        scales,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


@to_onnx(SegNetUpsample)
def segnet_upsample(layer: Layer[SegNetUpsample], graph: LayerGraph, x: str, mask: str) -> str:
    """Elements go where the mask says, of several the last one; zeros elsewhere."""
    params = layer.params
    wanted = known((layer.tops[0].shape or ())[_MAP])
    if wanted is not None:
        size = graph.ints(wanted)
    else:
        size = graph.add("Mul", graph.sizes(x, 2, 4), graph.ints(params.scale))
        if any(params.pad_out):
            size = graph.add("Sub", size, graph.ints(params.pad_out))
    images = graph.sizes(x, 0, 2)
    plane = graph.add("ReduceProd", size, axes=[0], keepdims=1)
    planes = graph.add("Concat", images, plane, axis=0)
    zeros = graph.add("Expand", graph.floats(0.0), planes)
    places = graph.add("Cast", graph.reshape(mask, 0, 0, -1), to=7)
    placed = graph.add("ScatterElements", zeros, places, graph.reshape(x, 0, 0, -1), axis=2)
    return graph.add("Reshape", placed, graph.add("Concat", images, size, axis=0))


@to_onnx(Accum)
def accum(layer: Layer[Accum], graph: LayerGraph, *bottoms: str) -> str:
    """Maps in one size, corners on corners, side by side."""
    maps = bottoms[: layer.params.maps(tuple(blob.shape or () for blob in layer.bottoms))]
    wanted = known((layer.tops[0].shape or ())[_MAP])
    if wanted is not None:
        size = graph.ints(wanted)
    elif layer.params.have_reference:
        size = graph.sizes(bottoms[-1], 2, 4)
    else:
        raise NeedsSizes("the largest of its maps must be known; fix the input's size")
    resized = [_on_corners(graph, x, size) for x in maps]
    return graph.add("Concat", *resized, axis=1) if len(resized) > 1 else resized[0]


@to_onnx(Resize)
def resize(layer: Layer[Resize], graph: LayerGraph, x: str) -> str:
    """Bilinear; what lies behind the border counts as 0."""
    pairs = _sizes(layer)
    weights = (_tents(_positions(new) * (np.float32(old) / new), old) for old, new in pairs)
    return _resampled(graph, x, *weights)


@to_onnx(Resample)
def resample(layer: Layer[Resample], graph: LayerGraph, x: str, *like: str) -> str:
    """FlowNet's filters; each axis takes half the position of the other one, as there."""
    params, pairs = layer.params, _sizes(layer)
    steps = [np.float32(old) / np.float32(new) for old, new in pairs]
    centers = [
        _positions(new) * own + other / np.float32(2) - np.float32(0.5)
        for (_, new), own, other in zip(pairs, steps, reversed(steps), strict=True)
    ]
    if params.type == "NEAREST":
        for axis, (cells, (old, _)) in enumerate(zip(centers, pairs, strict=True), 2):
            places = np.clip(_rounded(cells), 0, old - 1)
            x = graph.add("Gather", x, graph.ints(places), axis=axis)
        return x
    widens = params.antialias and max(steps) > 1
    kernel = {"LINEAR": _triangle, "CUBIC": _cubic}[params.type]
    weights = []
    for cells, (old, _), step in zip(centers, pairs, steps, strict=True):
        narrowed = 1 / step if widens else np.float32(1)
        weights.append(_normalized(kernel(narrowed * (cells[:, None] - _positions(old)))))
    return _resampled(graph, x, *weights)


def _sizes(layer: Layer) -> list[tuple[int, int]]:
    """Sizes before and after, along height and width."""
    before, after = (known((blob.shape or ())[_MAP]) for blob in (layer.bottoms[0], layer.tops[0]))
    if before is None or after is None:
        raise NeedsSizes("its weights need maps of known size; fix the input's")
    return list(zip(before, after, strict=True))


def _resampled(graph: LayerGraph, x: str, rows: Array, columns: Array) -> str:
    """Maps by weights (H', H) and (W', W)."""
    turned = graph.floats(np.ascontiguousarray(columns.T))
    return graph.add("MatMul", graph.floats(rows), graph.add("MatMul", x, turned))


def _positions(count: int) -> Array:
    return np.arange(count, dtype=np.float32)


def _tents(centers: Array, size: int) -> Array:
    """Weights of bilinear interpolation, which fade to 0 beyond the axis."""
    return _triangle(centers[:, None] - _positions(size))


def _triangle(offsets: Array) -> Array:
    return np.asarray(np.maximum(1 - np.abs(offsets), 0))


def _cubic(offsets: Array) -> Array:
    """Keys' cubic convolution with a = -1/2."""
    x = np.abs(offsets)
    inner = x * x * (1.5 * x - 2.5) + 1
    outer = x * (x * (2.5 - 0.5 * x) - 4) + 2
    return np.where(x <= 1, inner, np.where(x < 2, outer, 0))


def _normalized(weights: Array) -> Array:
    """Weights that sum up to 1; 0 where no position is reached."""
    total = weights.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(weights, total, out=np.zeros_like(weights), where=total != 0))


def _rounded(x: Array) -> Array:
    """As C's `round`."""
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.sign(x), whole)
