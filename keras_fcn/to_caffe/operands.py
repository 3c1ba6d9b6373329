"""Numbers, and other blobs, that are laid along a blob's axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.to_caffe import functions
from keras_fcn.to_caffe.draft import Blob, Draft, array


def times(draft: Draft, name: str, x: Blob, factor: Any) -> Blob:
    """X times numbers: one, some for each channel, or others that NumPy would broadcast."""
    return scaled(draft, name, x, factor, None)


def plus(draft: Draft, name: str, x: Blob, shift: Any) -> Blob:
    """X plus such numbers."""
    return scaled(draft, name, x, 1.0, shift)


def scaled(draft: Draft, name: str, x: Blob, factor: Any, shift: Any) -> Blob:
    """X times such numbers, plus such numbers unless they are None.

    A Power for one of each, else a Scale, which more programs read than a Bias.
    """
    given = [factor] if shift is None else [factor, shift]
    values = np.broadcast_arrays(*(np.asarray(array(value), np.float32) for value in given))
    if values[0].size == 1 and values[0].ndim <= len(x.final_shape):
        numbers = zip(("scale", "shift"), values, strict=False)
        return functions.power(draft, name, x, **{key: value.item() for key, value in numbers})
    x, axis, blob = along(draft, x, values[0])
    blobs = [blob, *(along(draft, x, value)[2] for value in values[1:])]
    fields = {"axis": axis, "num_axes": blob.ndim, "bias_term": shift is not None or None}
    return draft.each("Scale", name, x, blobs=blobs, constant=True, **fields)


def along(draft: Draft, x: Blob, values: Any) -> tuple[Blob, int, Any]:
    """A blob, and numbers of a Keras shape as Caffe lays them along its axes.

    Returns:
        The blob with its axes made, the first of its axes, and the numbers.

    Raises:
        UnsupportedLayerError: they would make the blob larger, or differ within the batch.
    """
    x = draft.made(x)
    shape = x.final_shape
    if values.ndim > len(shape) or (values.ndim == len(shape) and values.shape[0] != 1):
        raise UnsupportedLayerError(
            f"numbers of shape {values.shape} with a tensor of {len(shape)} axes: only those that "
            "are the same for all images are written"
        )
    lacking = len(shape) - values.ndim
    values = values.reshape((1,) * lacking + values.shape)[0]
    values = np.moveaxis(values, -1, 0)
    fits = zip(values.shape, shape[1:], strict=True)
    if any(own not in (1, size) for own, size in fits):
        raise UnsupportedLayerError(f"numbers of shape {values.shape} do not fit {shape[1:]}")
    used = [axis for axis, size in enumerate(values.shape) if size > 1] or [0]
    first, last = used[0], used[-1] + 1
    sizes = shape[1 + first : 1 + last]
    blob = np.broadcast_to(values.reshape(values.shape[first:last]), sizes)
    return x, first + 1, x.arranged(blob)


def combined(draft: Draft, name: str, kind: str, x: Blob, y: Blob) -> Blob:
    """`kind` PROD, SUM or MAX of two blobs of one rank, broadcast as NumPy does."""
    if same_shape(x, y) or kind == "MAX":
        x, y = _spread(draft, name, x, y)
        return draft.each("Eltwise", name, x, y, operation=kind)
    if math.prod(x.final_shape) < math.prod(y.final_shape):
        x, y = y, x
    # A Scale or a Bias lays the second along the first, as far as its trailing axes are 1.
    shape = y.final_shape
    count = max((i + 1 for i, size in enumerate(shape) if i == 0 or size != 1), default=1)
    wanted = tuple(map(max, x.final_shape[:count], shape[:count]))
    x = _tiled(draft, f"{name}_first", x, (*wanted, *x.final_shape[count:]))
    y = _tiled(draft, f"{name}_second", y, (*wanted, *shape[count:]))
    y = draft.plain(y)
    if y.shape != wanted:
        flat = math.prod(y.shape[1:]) == math.prod(wanted[1:]) and len(wanted) == 2
        operand = f"{name}_operand"
        y = (
            draft.one("Flatten", operand, y)
            if flat
            else draft.one("Reshape", operand, y, shape=(0, *wanted[1:]))
        )
    return draft.one({"PROD": "Scale", "SUM": "Bias"}[kind], name, x, y, axis=0)


def same_shape(x: Blob, y: Blob) -> bool:
    """Whether nothing has to be broadcast."""
    return x.final_shape == y.final_shape


def _spread(draft: Draft, name: str, x: Blob, y: Blob) -> tuple[Blob, Blob]:
    """Both in the shape that they have together."""
    shape = tuple(map(max, x.final_shape, y.final_shape))
    first = _tiled(draft, f"{name}_first", x, shape)
    return first, _tiled(draft, f"{name}_second", y, shape)


def _tiled(draft: Draft, name: str, x: Blob, shape: tuple[int, ...]) -> Blob:
    """The blob repeated along axes of size 1."""
    for axis, (own, size) in enumerate(zip(x.final_shape, shape, strict=True)):
        if own == size:
            continue
        if own != 1 or axis == 0:
            raise UnsupportedLayerError(f"shapes {x.final_shape} and {shape} do not fit together")
        x = draft.one("Tile", f"{name}_{axis}", x, axis=axis, tiles=size)
    return x
