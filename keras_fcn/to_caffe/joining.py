"""Layers with several inputs."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

import keras
import numpy as np

from keras_fcn import layers
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.layers._axes import channels_first_axis
from keras_fcn.to_caffe import functions
from keras_fcn.to_caffe.draft import Blob, Draft
from keras_fcn.to_caffe.operands import combined, same_shape
from keras_fcn.to_caffe.registry import writes

_OPERATIONS = {
    keras.layers.Add: "SUM",
    keras.layers.Average: "SUM",
    keras.layers.Maximum: "MAX",
    keras.layers.Minimum: "MAX",
    keras.layers.Multiply: "PROD",
    keras.layers.Subtract: "SUM",
}


@writes(*_OPERATIONS)
def merge(layer: Any, draft: Draft, *bottoms: Blob) -> Blob:
    """Elementwise; inputs of fewer axes get new ones behind the batch, as in Keras."""
    kind = next(cls for cls in type(layer).__mro__ if cls in _OPERATIONS)
    rank = max(len(bottom.final_shape) for bottom in bottoms)
    bottoms = tuple(_with_rank(draft, bottom, rank) for bottom in bottoms)
    return joined(draft, layer.name, kind.__name__, bottoms)


def _with_rank(draft: Draft, x: Blob, rank: int) -> Blob:
    missing = rank - len(x.final_shape)
    if not missing:
        return x
    return draft.rearranged(
        x, f"{x.name}_axes", lambda places: places.reshape((1,) * missing + places.shape)
    )


def joined(draft: Draft, name: str, how: str, bottoms: tuple[Blob, ...]) -> Blob:
    """`how`: the name of a merging layer of Keras, as Add."""
    count = len(bottoms)
    coeff = {"Average": [1 / count] * count, "Subtract": [1.0, -1.0]}.get(how)
    kind = {"Maximum": "MAX", "Minimum": "MAX", "Multiply": "PROD"}.get(how, "SUM")
    if count == 1:
        return bottoms[0]
    if all(same_shape(bottoms[0], bottom) for bottom in bottoms) and how != "Minimum":
        return draft.each("Eltwise", name, *bottoms, operation=kind, coeff=coeff)
    inner = f"{name}_inner" if how in ("Average", "Minimum") else name
    signs = {"Minimum": [-1] * count, "Subtract": [1, -1]}.get(how, [1] * count)
    signed = [
        functions.power(draft, f"{name}_minus{i}", x, scale=-1) if sign < 0 else x
        for i, (x, sign) in enumerate(zip(bottoms, signs, strict=True))
    ]
    *first, last = signed
    y = reduce(lambda x, y: combined(draft, f"{name}_part", kind, x, y), first)
    y = combined(draft, inner, kind, y, last)
    factor = {"Average": 1 / count, "Minimum": -1.0}.get(how)
    return y if factor is None else functions.power(draft, name, y, scale=factor)


@writes(keras.layers.Concatenate)
def concatenate(layer: Any, draft: Draft, *bottoms: Blob) -> Blob:
    """Concat along Caffe's axis."""
    return concatenated(draft, layer.name, bottoms, layer.axis)


def concatenated(draft: Draft, name: str, bottoms: tuple[Blob, ...], axis: int) -> Blob:
    """Blobs one behind the other along a Keras axis."""
    if len(bottoms) == 1:
        return bottoms[0]
    bottoms = tuple(draft.made(bottom) for bottom in bottoms)
    axis = channels_first_axis(axis, len(bottoms[0].final_shape))
    if axis == 0 and any(bottom.order is not None for bottom in bottoms):
        bottoms = tuple(draft.plain(bottom) for bottom in bottoms)
    # One entry stands for all sizes, so the shape check behind tells of a mismatch.
    y = draft.one("Concat", name, *(bottom.raw for bottom in bottoms), axis=axis)
    if all(bottom.order is None for bottom in bottoms):
        return y
    starts = np.cumsum([0, *(bottom.shape[1] for bottom in bottoms)])
    order = [bottom.places + start for bottom, start in zip(bottoms, starts, strict=False)]
    parts = [part for bottom in bottoms for part in bottom.parts or (bottom.shape[1],)]
    return replace(y, order=np.concatenate(order), parts=tuple(parts))


@writes(layers.Axpy)
def axpy(layer: Any, draft: Draft, scale: Blob, x: Blob, y: Blob) -> Blob:
    """A Scale by the first, and a sum."""
    rank = len(x.final_shape)
    scale = _with_rank(draft, scale, rank)
    scaled = combined(draft, f"{layer.name}_scaled", "PROD", x, scale)
    return functions.total(draft, layer.name, scaled, y)


@writes(keras.layers.Dot)
def dot(layer: Any, draft: Draft, *bottoms: Blob) -> Blob:
    """Refused."""
    raise UnsupportedLayerError("Caffe has no product of two matrices that are both blobs")
