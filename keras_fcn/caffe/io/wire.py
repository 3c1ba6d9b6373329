"""The protobuf wire format, read from and written to bytes without copying arrays.

Only what a `.caffemodel` needs: walk the fields of a message inside a memory
map, view packed, unpacked and double arrays in place, and write the same.
Encoding: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.records import dataclass

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED_SIZE = {FIXED64: 8, FIXED32: 4}
_RUN = 1 << 20


@dataclass(frozen=True)
class Field:
    """One field of a message: its payload is `buffer[start:stop]`."""

    number: int
    wire_type: int
    begin: int
    """Start of the field's tag."""
    start: int
    stop: int
    value: int
    """The number itself for a varint, else 0."""


def read_varint(buffer: memoryview, position: int, stop: int) -> tuple[int, int]:
    """The varint at `position` and the position after it."""
    value = shift = 0
    while position < stop:
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
        if shift > 63:
            raise WeightsError(f"byte {position}: a number longer than 10 bytes")
    raise WeightsError(f"byte {position}: the data ends inside a number")


def read_field(buffer: memoryview, begin: int, stop: int) -> Field:
    """The field whose tag starts at `begin`.

    Raises:
        WeightsError: the field claims more bytes than are left, or its wire
            type does not exist.
    """
    tag, position = read_varint(buffer, begin, stop)
    number, wire_type = tag >> 3, tag & 7
    value = 0
    start = position
    if wire_type == VARINT:
        value, position = read_varint(buffer, position, stop)
    elif wire_type in _FIXED_SIZE:
        position += _FIXED_SIZE[wire_type]
    elif wire_type == BYTES:
        length, start = read_varint(buffer, position, stop)
        position = start + length
    else:
        raise WeightsError(f"byte {begin}: wire type {wire_type} is not used by Caffe")
    if number == 0:
        raise WeightsError(f"byte {begin}: field number 0")
    if position > stop:
        raise WeightsError(
            f"byte {begin}: field {number} needs {position - start} bytes, "
            f"{max(stop - start, 0)} are left"
        )
    return Field(number, wire_type, begin, start, position, value)


def fields(buffer: memoryview, start: int, stop: int) -> Iterator[Field]:
    """The fields of the message `buffer[start:stop]`, in file order."""
    while start < stop:
        field = read_field(buffer, start, stop)
        yield field
        start = field.stop


def unpacked_run(
    buffer: memoryview, first: Field, stop: int, dtype: np.dtype[Any]
) -> tuple[npt.NDArray[Any], int]:
    """View a run of un-packed numbers (a tag before each) that begins at `first`.

    Returns:
        The strided view, and the position after the run.
    """
    tag_size = first.start - first.begin
    record = np.dtype([("tag", f"V{tag_size}"), ("value", dtype)])
    count = (stop - first.begin) // record.itemsize
    records = np.frombuffer(buffer, record, count, first.begin)
    tag = records["tag"][:1]
    length = 0
    while length < count:
        same = records["tag"][length : length + _RUN] == tag
        if not same.all():
            length += int(same.argmin())
            break
        length += len(same)
    return records["value"][:length], first.begin + length * record.itemsize


def write_varint(value: int) -> bytes:
    """Encode a non-negative number."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def header(number: int, length: int) -> bytes:
    """Tag and length of a length-delimited field."""
    return write_varint(number << 3 | BYTES) + write_varint(length)
