"""Operations of `keras.ops` that reduce, join, cut or rearrange axes."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.layers._axes import channels_first_axis
from keras_fcn.to_caffe import shape
from keras_fcn.to_caffe.draft import Blob, Draft, array
from keras_fcn.to_caffe.joining import concatenated
from keras_fcn.to_caffe.pooling import cut, global_pooling, padded
from keras_fcn.to_caffe.registry import operation


@operation("Mean", "Sum", "Max")
def reduction(op: Any, draft: Draft, x: Blob) -> Blob:
    """Over height and width, over the channels, or over all of an image."""
    kind = type(op).__name__
    rank = len(x.final_shape)
    axes = range(rank) if op.axis is None else [axis % rank for axis in np.atleast_1d(op.axis)]
    if kind != "Sum" and rank == 4 and sorted(axes) == [1, 2]:
        method = "AVE" if kind == "Mean" else "MAX"
        return global_pooling(draft, op.name, x, method, op.keepdims)
    if kind == "Max":
        raise UnsupportedLayerError(f"axis: {op.axis}: Caffe finds maxima along height and width")
    return shape.reduced(draft, op.name, x, op.axis, op.keepdims, kind.upper())


@operation("Concatenate")
def concatenate(op: Any, draft: Draft, xs: Any) -> Blob:
    """Tensors."""
    if not all(isinstance(x, Blob) for x in xs):
        raise UnsupportedLayerError("numbers joined to a tensor have no equivalent in Caffe")
    return concatenated(draft, op.name, tuple(xs), op.axis)


@operation("Reshape")
def reshape(op: Any, draft: Draft, x: Blob) -> Blob:
    """Other axes; the batch stays."""
    batch, *sizes = tuple(op.newshape)
    known = math.prod(size for size in sizes if size != -1)
    if batch not in (-1, None, x.shape[0]) or (-1 not in sizes and known != x.places.size):
        raise UnsupportedLayerError(f"newshape: {op.newshape} changes the batch")
    return shape.reshaped(draft, op.name, x, sizes)


@operation("Transpose")
def transpose(op: Any, draft: Draft, x: Blob) -> Blob:
    """Other axes; the batch stays."""
    axes = op.axes or tuple(reversed(range(len(x.final_shape))))
    if axes[0] != 0:
        raise UnsupportedLayerError(f"axes: {axes}: the batch has to be the first")
    order = [axis - 1 for axis in axes[1:]]
    return draft.rearranged(x, op.name, lambda places: places.transpose(order))


@operation("Squeeze", "ExpandDims")
def with_other_axes(op: Any, draft: Draft, x: Blob) -> Blob:
    """Axes of 1 gone, or new."""
    sizes = list(op.compute_output_spec(keras.KerasTensor((3, *x.places.shape))).shape)
    if sizes[0] != 3:
        raise UnsupportedLayerError(f"axis: {op.axis}: the batch has to be the first")
    return shape.reshaped(draft, op.name, x, sizes[1:])


@operation("Pad")
def pad(op: Any, draft: Draft, x: Blob, *values: Any) -> Blob:
    """Zeros around the spatial axes."""
    batch, *sides, channels = (tuple(side) for side in op.pad_width)
    zeros = op.mode == "constant" and not any(np.any(array(value)) for value in values if value)
    if not zeros or batch != (0, 0) or channels != (0, 0):
        raise UnsupportedLayerError("only zeros around height and width have an equivalent")
    return padded(draft, x, sides)


@operation("Split")
def split(op: Any, draft: Draft, x: Blob) -> tuple[Blob, ...]:
    """Parts along an axis."""
    x = draft.plain(x)
    caffe = channels_first_axis(op.axis, len(x.shape))
    parts = op.indices_or_sections
    if isinstance(parts, int):
        return draft.add("Slice", op.name, x, tops=parts, axis=caffe)
    return draft.add(
        "Slice", op.name, x, tops=len(parts) + 1, axis=caffe, slice_point=list(map(int, parts))
    )


@operation("GetItem")
def get_item(op: Any, draft: Draft, x: Blob, key: Any) -> Blob:
    """Ranges of channels, or of rows and columns."""
    x = draft.plain(x)
    shape_ = (x.shape[0], *x.shape[2:], x.shape[1]) if len(x.shape) > 2 else x.shape
    keys = list(key) if isinstance(key, tuple) else [key]
    place = next((i for i, one in enumerate(keys) if one is Ellipsis), len(keys))
    rest = keys[place + 1 :]
    keys = [*keys[:place], *[slice(None)] * (len(shape_) - place - len(rest)), *rest]
    if len(keys) != len(shape_) or not all(isinstance(one, slice) for one in keys):
        raise UnsupportedLayerError("only ranges of a tensor (x[..., 1:3]) have an equivalent")
    ranges = [one.indices(size) for one, size in zip(keys, shape_, strict=True)]
    if any(step != 1 or stop <= start for start, stop, step in ranges):
        raise UnsupportedLayerError("a range with a step, or an empty one, has no equivalent")
    if keys[0] not in (slice(None), slice(0, None)):
        raise UnsupportedLayerError("a part of the batch has no equivalent")
    spatial = zip(ranges[1:-1], shape_[1:-1], strict=True)
    cells = [(start, size - stop) for (start, stop, _), size in spatial]
    x = cut(draft, op.name, x, cells)
    start, stop, _ = ranges[-1]
    points = [point for point in (start, stop) if 0 < point < shape_[-1]]
    if not points:
        return x
    parts = draft.add("Slice", f"{op.name}_channels", x, tops=len(points) + 1, slice_point=points)
    return parts[1 if start else 0]
