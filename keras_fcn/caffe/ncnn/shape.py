"""Layers that give a blob another shape, join, cut, repeat or reorder it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.base import canonical_axis
from keras_fcn.caffe.layers.concat import Concat, Slice, Tile
from keras_fcn.caffe.layers.crop import Crop
from keras_fcn.caffe.layers.data import HDF5Output
from keras_fcn.caffe.layers.mobile import ShuffleChannel
from keras_fcn.caffe.layers.reverse import Flip, Reverse, Transpose
from keras_fcn.caffe.layers.shape import Flatten, PixelShuffle, Reshape, Silence, Split
from keras_fcn.caffe.layers.ssd import Permute
from keras_fcn.caffe.ncnn.graph import LayerGraph, image_axis
from keras_fcn.caffe.ncnn.registry import to_ncnn
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.nodes.graph import NeedsSizes

_REST = -233
"""ncnn's word for what is left."""
_MAXIMUM = 4
"""ncnn's number of a Reduction to the largest element."""


@to_ncnn(Split)
def split(layer: Layer[Split], graph: LayerGraph, x: str) -> Any:
    """Every top is the bottom."""
    return (x,) * len(layer.tops) if len(layer.tops) != 1 else x


@to_ncnn(Silence, HDF5Output)
def silence(layer: Layer, graph: LayerGraph, *bottoms: str) -> Any:
    """Nothing."""
    return ()


@to_ncnn(Flatten)
def flatten(layer: Layer[Flatten], graph: LayerGraph, x: str) -> str:
    """Ncnn's own where it flattens images; else a Reshape."""
    if layer.params.flattens:
        return graph.add("Flatten", x)
    return _reshaped(layer, layer.params.as_reshape(len(layer.bottoms[0].shape or ())), graph, x)


@to_ncnn(Reshape)
def reshape(layer: Layer[Reshape], graph: LayerGraph, x: str) -> str:
    """Of the sizes one may be left open."""
    return _reshaped(layer, layer.params, graph, x)


def _reshaped(layer: Layer, params: Reshape, graph: LayerGraph, x: str) -> str:
    bottom, top = layer.bottoms[0].shape or (), layer.tops[0].shape or ()
    same = bottom[:1] == top[:1] != (None,)
    if params.kept(len(bottom))[:1] != (0,) and not same:
        raise UnsupportedLayerError(
            f"shape: {params.shape} changes the axis of images, and ncnn runs one at a time"
        )
    return graph.reshape(x, top[1:])


@to_ncnn(PixelShuffle)
def pixel_shuffle(layer: Layer[PixelShuffle], graph: LayerGraph, x: str) -> str:
    """Channels become pixels."""
    return graph.add("PixelShuffle", x, settings={0: layer.params.pixelshuffler, 1: 0})


@to_ncnn(ShuffleChannel)
def shuffle_channel(layer: Layer[ShuffleChannel], graph: LayerGraph, x: str) -> str:
    """Groups of channels, transposed."""
    shape, group = layer.bottoms[0].shape or (), layer.params.group
    if len(shape) == 4:
        return graph.add("ShuffleChannel", x, settings={0: group})
    if len(shape) < 2 or shape[1] is None:
        raise NeedsSizes("the number of channels is not known; fix the input's sizes")
    y = graph.permuted(graph.reshape(x, (group, shape[1] // group, None)), [1, 0, 2])
    return graph.reshape(y, shape[1:])


@to_ncnn(Concat)
def concat(layer: Layer[Concat], graph: LayerGraph, *bottoms: str) -> str:
    """One after the other."""
    if len(bottoms) == 1:
        return bottoms[0]
    return graph.add("Concat", *bottoms, settings={0: _axis(layer)})


@to_ncnn(Slice)
def cut(layer: Layer[Slice], graph: LayerGraph, x: str) -> Any:
    """Parts of given or equal sizes."""
    params, count = layer.params, len(layer.tops)
    if count == 1:
        return x
    sizes = [end - start for start, end in pairwise((0, *params.slice_point))]
    sizes = [*sizes, _REST] if params.slice_point else [_REST] * count
    return graph.add_several(count, "Slice", x, settings={0: sizes, 1: _axis(layer)})


@to_ncnn(Tile)
def tile(layer: Layer[Tile], graph: LayerGraph, x: str) -> str:
    """Again and again along an axis."""
    if layer.params.tiles == 0:
        raise UnsupportedLayerError("tiles: 0 leaves nothing, which ncnn has no tensor for")
    return graph.add("Tile", x, settings={0: _axis(layer), 1: layer.params.tiles})


@to_ncnn(Crop)
def crop(layer: Layer[Crop], graph: LayerGraph, x: str, reference: str) -> str:
    """The sizes of the second bottom, from an offset on."""
    shape, wanted = (blob.shape or () for blob in layer.bottoms)
    rank, first = len(shape), canonical_axis(layer.params.axis, len(shape))
    offsets = layer.params.offsets(rank)
    if first == 0:
        if offsets[0] != 0 or shape[:1] != wanted[:1]:
            raise UnsupportedLayerError("axis: 0 are the images, and ncnn runs one at a time")
        first, offsets = 1, offsets[1:]
    sizes = [size for size in wanted[first:rank] if size is not None]
    if len(sizes) == rank - first:
        ends = [start + size for start, size in zip(offsets, sizes, strict=True)]
        return graph.cropped(x, offsets, ends, range(first - 1, rank - 1))
    if rank != 4 or first not in (1, 2):
        raise NeedsSizes("it needs a reference of known size; fix the input's")
    down, right = offsets[-2:]
    settings = {0: right, 1: down, 2: offsets[0] if first == 1 else 0}
    if first == 2:  # without channels, which ncnn would take too
        reference = graph.reduced(reference, _MAXIMUM, [0], keep=False)
    return graph.add("Crop", x, reference, settings=settings)


@to_ncnn(Permute, Transpose)
def transpose(layer: Layer[Any], graph: LayerGraph, x: str) -> str:
    """Axes in another order."""
    axes = layer.params.axes(len(layer.bottoms[0].shape or ()))
    if axes[0] != 0:
        raise UnsupportedLayerError(
            f"order {axes} moves the axis of images, and ncnn runs one at a time"
        )
    return graph.permuted(x, [axis - 1 for axis in axes[1:]])


@to_ncnn(Reverse, Flip)
def reverse(layer: Layer[Any], graph: LayerGraph, x: str) -> str:
    """Axes turned round."""
    rank = len(layer.bottoms[0].shape or ())
    axes = [image_axis(axis, rank) for axis in layer.params.axes(rank)]
    return graph.add("Flip", x, settings={0: axes}) if axes else x


def _axis(layer: Layer[Any]) -> int:
    return image_axis(layer.params.axis, len(layer.bottoms[0].shape or ()))
