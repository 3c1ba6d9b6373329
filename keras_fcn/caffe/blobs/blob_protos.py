"""BlobProto: Caffe's arrays, as views of the file they lie in.

The numbers may be packed, un-packed, double, or the raw ones of NVIDIA's Caffe
(`raw_data`, half precision or other); the shape may be the legacy four sizes, or the five
of C3D's Caffe, whose fields have other numbers from the third on.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io import wire
from keras_fcn.caffe.limits import MAX_COUNT
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.records import dataclass

Array = npt.NDArray[Any]

_FLOAT, _DOUBLE = np.dtype("<f4"), np.dtype("<f8")
_MAX_AXES = 32
_MAX_SHAPE_BYTES = 16 * _MAX_AXES
_MAX_CHUNKS = 1000

# Field numbers of BlobProto; the raw ones are those of NVIDIA's caffe.proto (0.16, 0.17).
DATA, SHAPE = 5, 7
_LEGACY_DIMS = (1, 2, 3, 4)
# Those of facebookarchive/C3D, v1.0: num, channels, length, height, width, then the numbers.
_VIDEO_DIMS, _VIDEO_DATA = (*_LEGACY_DIMS, 5), 6
_DOUBLE_DATA, _RAW_TYPE, _RAW_DATA = 8, 10, 12
_NUMBERS: dict[int, tuple[np.dtype[Any], int]] = {
    DATA: (_FLOAT, wire.FIXED32),
    _VIDEO_DATA: (_FLOAT, wire.FIXED32),  # elsewhere the diff
    _DOUBLE_DATA: (_DOUBLE, wire.FIXED64),
}
_RAW_TYPES: dict[int, np.dtype[Any]] = {
    0: _DOUBLE,
    1: _FLOAT,
    2: np.dtype("<f2"),
}  # DOUBLE, FLOAT, FLOAT16
_RAW_TYPES |= {3: np.dtype("<i4"), 4: np.dtype("<u4")}  # INT, UINT


@dataclass(frozen=True)
class StoredBlob:
    """A parameter blob that still lies in its file.

    Attributes:
        shape: Caffe's shape; legacy files give (num, channels, height, width), and
            those of videos (num, channels, length, height, width).
        chunks: views of the file whose elements, joined, are the blob.
        legacy: whether the shape came from the four legacy dimensions, or C3D's five.
        absent: whether it stands for a blob that the file leaves to another layer.
    """

    shape: tuple[int, ...]
    chunks: tuple[Array, ...]
    legacy: bool = False
    absent: bool = False

    def array(self) -> Array:
        """The blob as float32; a read-only view where the file allows it."""
        # A double may be too large, or a NaN that signals; for Caffe as well.
        with np.errstate(over="ignore", invalid="ignore"):
            return self.stored().astype(np.float32, copy=False)

    def stored(self) -> Array:
        """The blob in the file's own numbers; a read-only view unless they lie in pieces."""
        if len(self.chunks) == 1:
            return self.chunks[0].reshape(self.shape)
        flat = np.concatenate(self.chunks) if self.chunks else np.empty(0, _FLOAT)
        return flat.reshape(self.shape)


ABSENT = StoredBlob((0,), (), absent=True)
"""Placeholder for a shared blob that the file holds at its owner only."""


def read_blob(buffer: memoryview, start: int, stop: int) -> StoredBlob:
    """View the BlobProto `buffer[start:stop]`; `diff` is passed over.

    Raises:
        WeightsError: the shape and the numbers contradict each other.
    """
    dims = dict.fromkeys(_VIDEO_DIMS, 0)
    given: set[int] = set()
    shape: wire.Field | None = None
    chunks: dict[int, list[Array]] = {number: [] for number in _NUMBERS}
    raw: wire.Field | None = None
    raw_type = 0
    position = start
    while position < stop:
        field = wire.read_field(buffer, position, stop)
        position = field.stop
        if field.number in dims and field.wire_type == wire.VARINT:
            dims[field.number] = field.value
            given.add(field.number)
        elif field.number in _NUMBERS:
            dtype, unpacked = _NUMBERS[field.number]
            if field.wire_type == wire.BYTES:
                chunks[field.number].append(_view(buffer, field, dtype))
            elif field.wire_type == unpacked:
                values, position = wire.unpacked_run(buffer, field, stop, dtype)
                chunks[field.number].append(values)
            if len(chunks[field.number]) > _MAX_CHUNKS:
                raise WeightsError(f"the numbers of a blob lie in more than {_MAX_CHUNKS} pieces")
        elif field.number == SHAPE and field.wire_type == wire.BYTES:
            shape = field
        elif field.number == _RAW_TYPE and field.wire_type == wire.VARINT:
            raw_type = field.value
        elif field.number == _RAW_DATA and field.wire_type == wire.BYTES:
            raw = field
    if _VIDEO_DIMS[-1] in given:
        found = _filled(chunks[_VIDEO_DATA])
        return _checked(tuple(dims.values()), found, legacy=True)
    found = next((kept for kept in map(_filled, (chunks[_DOUBLE_DATA], chunks[DATA])) if kept), [])
    if raw is not None and not found:
        if raw_type not in _RAW_TYPES:
            raise WeightsError(f"raw_data of type {raw_type}; types 0 to 4 are known")
        found = [_view(buffer, raw, _RAW_TYPES[raw_type])]
    if given:
        return _checked(tuple(dims[number] for number in _LEGACY_DIMS), found, legacy=True)
    return _checked(() if shape is None else _shape(buffer, shape), found, legacy=False)


def _checked(shape: tuple[int, ...], found: list[Array], legacy: bool) -> StoredBlob:
    _check_count(shape, sum(len(chunk) for chunk in found))
    return StoredBlob(shape, tuple(found), legacy)


def _shape(buffer: memoryview, field: wire.Field) -> tuple[int, ...]:
    if field.stop - field.start > _MAX_SHAPE_BYTES:
        raise WeightsError(f"a blob has more than {_MAX_AXES} axes")
    message = schema.new("BlobShape")
    message.MergeFromString(bytes(buffer[field.start : field.stop]))
    return tuple(message.dim)


def _filled(chunks: list[Array]) -> list[Array]:
    return [chunk for chunk in chunks if chunk.size]


def _view(buffer: memoryview, field: wire.Field, dtype: np.dtype[Any]) -> Array:
    count, rest = divmod(field.stop - field.start, dtype.itemsize)
    if rest:
        raise WeightsError(f"{field.stop - field.start} bytes of {dtype} numbers")
    return np.frombuffer(buffer, dtype, count, field.start) if count else np.empty(0, dtype)


def _check_count(shape: tuple[int, ...], count: int) -> None:
    if len(shape) > _MAX_AXES:
        raise WeightsError(f"a blob has {len(shape)} axes, more than {_MAX_AXES}")
    fits = all(size >= 0 for size in shape) and math.prod(shape) == count
    # A size of 0 hides how large the others are, and NumPy has a limit.
    if not fits or math.prod(size or 1 for size in shape) > max(count, MAX_COUNT):
        raise WeightsError(f"a blob of shape {shape} comes with {count} values")
