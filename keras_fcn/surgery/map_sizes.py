"""Sizes of a rebuilt network's maps on some images, by which maps that shall be joined compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_fcn.graph.calls import Call
from keras_fcn.graph.spatial import spatial_of

Sizes = tuple[tuple[int, int], ...]
"""Rows and columns of a map on each of the images; none where they are not known."""

_FIRST, _MOST = 1 << 12, 64
"""Height and width of the first image, and how many images there are at most."""
_IMAGES = 4


def of_images(stride: int) -> Sizes:
    """Images each larger by a pixel: rounding repeats after as many as the stride of the map."""
    return tuple((size, size) for size in range(_FIRST, _FIRST + min(stride, _MOST)))


def after(call: Call, layer: Any, before: Sizes) -> Sizes:
    """The sizes that the new layer for a call gives of maps that have, or share, these sizes."""
    if all(spatial_of(call, index).is_in_place for index in range(len(call.outputs))):
        return before
    single = len(call.inputs) == len(call.outputs) == 1 and len(call.outputs[0].shape) == _IMAGES
    if not single or not isinstance(layer, keras.layers.Layer):
        return ()
    channels = call.inputs[0].shape[-1]
    shapes = (layer.compute_output_shape((1, *size, channels)) for size in before)
    return tuple((shape[1], shape[2]) for shape in shapes)


def agree(found: Sequence[Sizes]) -> bool:
    """Whether maps are known to have the same size on every image."""
    return len(set(found)) == 1 and bool(found[0])


def common(found: Sequence[Sizes]) -> Sizes:
    """The sizes of maps cut to the smallest of them."""
    if not all(found):
        return ()
    each = zip(*found, strict=True)
    return tuple((min(x[0] for x in maps), min(x[1] for x in maps)) for maps in each)
