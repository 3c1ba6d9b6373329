"""Layers that give a blob another shape, join, cut, repeat or reorder it."""

from __future__ import annotations

from typing import Any

from keras_fcn.caffe.layers.base import canonical_axis
from keras_fcn.caffe.layers.concat import Concat, Slice, Tile
from keras_fcn.caffe.layers.crop import Crop
from keras_fcn.caffe.layers.data import HDF5Output
from keras_fcn.caffe.layers.mobile import ShuffleChannel
from keras_fcn.caffe.layers.reverse import Flip, Reverse, Transpose
from keras_fcn.caffe.layers.shape import Flatten, PixelShuffle, Reshape, Silence, Split
from keras_fcn.caffe.layers.ssd import Permute
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.nodes.graph import NeedsSizes
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.registry import to_onnx


@to_onnx(Split)
def split(layer: Layer[Split], graph: LayerGraph, x: str) -> Any:
    """Every top is the bottom."""
    return (x,) * len(layer.tops) if len(layer.tops) != 1 else x


@to_onnx(Silence, HDF5Output)
def silence(layer: Layer, graph: LayerGraph, *bottoms: str) -> Any:
    """Nothing."""
    return ()


@to_onnx(Flatten)
def flatten(layer: Layer[Flatten], graph: LayerGraph, x: str) -> str:
    """ONNX' own where it flattens images; else a Reshape."""
    if layer.params.flattens:
        return graph.add("Flatten", x, axis=1)
    return _reshaped(layer, layer.params.as_reshape(len(layer.bottoms[0].shape or ())), graph, x)


@to_onnx(Reshape)
def reshape(layer: Layer[Reshape], graph: LayerGraph, x: str) -> str:
    """Sizes that are kept are copied."""
    return _reshaped(layer, layer.params, graph, x)


def _reshaped(layer: Layer, params: Reshape, graph: LayerGraph, x: str) -> str:
    bottom = layer.bottoms[0].shape or ()
    kept = params.kept(len(bottom))
    sizes = params.arranged(bottom)
    moved = [
        axis
        for place, (axis, size) in enumerate(zip(kept, sizes, strict=True))
        if size is None and axis != place
    ]
    if not moved:
        copied = [
            0 if axis == place and size is None else size
            for place, (axis, size) in enumerate(zip(kept, sizes, strict=True))
        ]
        if copied.count(0) <= len(bottom):
            return graph.reshape(x, *(size if size is not None else 0 for size in copied))
    parts = [
        graph.sizes(x, axis, axis + 1) if size is None and axis is not None else graph.ints([size])
        for axis, size in zip(kept, sizes, strict=True)
    ]
    return graph.add("Reshape", x, graph.add("Concat", *parts, axis=0))


@to_onnx(PixelShuffle)
def pixel_shuffle(layer: Layer[PixelShuffle], graph: LayerGraph, x: str) -> str:
    """Channels become pixels."""
    return graph.add("DepthToSpace", x, blocksize=layer.params.pixelshuffler, mode="CRD")


@to_onnx(ShuffleChannel)
def shuffle_channel(layer: Layer[ShuffleChannel], graph: LayerGraph, x: str) -> str:
    """Groups of channels, transposed."""
    shape = layer.bottoms[0].shape or ()
    channels, group = shape[1] if len(shape) > 1 else None, layer.params.group
    if channels is None:
        raise NeedsSizes("the number of channels is not known; fix the input's sizes")
    split = graph.reshape(x, 0, group, channels // group, -1)
    turned = graph.add("Transpose", split, perm=[0, 2, 1, 3])
    return graph.add("Reshape", turned, graph.add("Shape", x))


@to_onnx(Concat)
def concat(layer: Layer[Concat], graph: LayerGraph, *bottoms: str) -> str:
    """One after the other."""
    if len(bottoms) == 1:
        return bottoms[0]
    return graph.add("Concat", *bottoms, axis=_axis(layer))


@to_onnx(Slice)
def cut(layer: Layer[Slice], graph: LayerGraph, x: str) -> Any:
    """Parts of given or equal sizes."""
    params, count = layer.params, len(layer.tops)
    if count == 1:
        return x
    axis = _axis(layer)
    if not params.slice_point:
        return graph.add_several(count, "Split", x, axis=axis)
    starts = (0, *params.slice_point)
    ends = (*params.slice_point, None)
    return tuple(graph.cut(x, axis, *ends) for ends in zip(starts, ends, strict=True))


@to_onnx(Tile)
def tile(layer: Layer[Tile], graph: LayerGraph, x: str) -> str:
    """Again and again along an axis."""
    repeats = [1] * len(layer.bottoms[0].shape or ())
    repeats[_axis(layer)] = layer.params.tiles
    return graph.add("Tile", x, graph.ints(repeats))


@to_onnx(Crop)
def crop(layer: Layer[Crop], graph: LayerGraph, x: str, reference: str) -> str:
    """The sizes of the second bottom, from an offset on."""
    shape, wanted = (blob.shape or () for blob in layer.bottoms)
    rank, first = len(shape), _axis(layer)
    offsets = layer.params.offsets(rank)
    axes = list(range(first, rank))
    sizes = [size for size in wanted[first:rank] if size is not None]
    if len(sizes) == len(axes):
        ends = graph.ints([start + size for start, size in zip(offsets, sizes, strict=True)])
    else:
        ends = graph.add("Add", graph.sizes(reference, first, rank), graph.ints(offsets))
    return graph.add("Slice", x, graph.ints(offsets), ends, graph.ints(axes))


@to_onnx(Permute, Transpose)
def transpose(layer: Layer[Any], graph: LayerGraph, x: str) -> str:
    """Axes in another order."""
    axes = layer.params.axes(len(layer.bottoms[0].shape or ()))
    return graph.add("Transpose", x, perm=list(axes))


@to_onnx(Reverse, Flip)
def reverse(layer: Layer[Any], graph: LayerGraph, x: str) -> str:
    """Axes turned round."""
    axes = layer.params.axes(len(layer.bottoms[0].shape or ()))
    return graph.reversed(x, *axes)


def _axis(layer: Layer[Any]) -> int:
    return canonical_axis(layer.params.axis, len(layer.bottoms[0].shape or ()))
