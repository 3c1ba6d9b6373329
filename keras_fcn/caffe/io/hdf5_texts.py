"""Texts of variable length in HDF5, read from the bytes of the file.

The HDF5 library (1.14) allocates what such a text declares, up to 4 GiB, before it looks
whether it is there, and never leaves a heap whose free space has size 0. Layout: object
headers, attribute messages and the global heap of the HDF5 File Format Specification 3.0.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator

DESCRIPTOR_BYTES = 16
"""Length of a text, address of its heap, its index there."""

_DESCRIPTOR = struct.Struct("<IQI")
_ATTRIBUTE, _CONTINUATION = 0x0C, 0x10
_HEAP = struct.Struct("<4sB3xQ")  # signature, version, size of the whole
_OBJECT = struct.Struct("<HHIQ")  # index, references, reserved, size
_OFFSET_SIZES = {0: 13, 1: 13, 2: 9, 3: 9}  # version of the superblock -> where they stand
_NOWHERE = (0, (1 << 64) - 1)
_MOST_STEPS = 1 << 20
_Span = tuple[int, int]


def _damaged(what: str) -> ValueError:
    return ValueError(f"a text cannot be read: {what}")


Data = mmap.mmap | bytes
"""The bytes of a file."""


def attribute_texts(data: Data, address: int, name: bytes, count: int) -> list[bytes]:
    """The texts of an attribute.

    Args:
        data: the file's bytes.
        address: where the header of the object lies that has the attribute.
        name: the attribute's.
        count: how many texts it holds.

    Raises:
        ValueError: they are not there.
    """
    _check_addresses(data)
    for start, stop in _attributes(data, address):
        found, values = _split(data, start)
        if found == name:
            if values + DESCRIPTOR_BYTES * count > stop:
                raise _damaged(f"attribute {name!r} is cut short")
            return _texts(data, values, count)
    raise _damaged(
        f"attribute {name!r} is not in its object's header; write the file in HDF5's earliest form"
    )


def text_at(data: Data, position: int) -> bytes:
    """The text whose descriptor lies at a position of the file."""
    _check_addresses(data)
    return _texts(data, position, 1)[0]


def _check_addresses(data: Data) -> None:
    sizes = _OFFSET_SIZES.get(data[8])
    if data[:4] != b"\x89HDF" or sizes is None or data[sizes : sizes + 2] != b"\x08\x08":
        raise _damaged("its addresses do not have 8 bytes, or do not begin at 0")


def _attributes(data: Data, address: int) -> Iterator[_Span]:
    """Positions of the attribute messages of an object header and its continuations."""
    second = data[address : address + 4] == b"OHDR"
    ordered = 0
    if second:
        flags = data[address + 5]
        start = address + 6 + 16 * (flags >> 5 & 1) + 4 * (flags >> 4 & 1)
        width = 1 << (flags & 3)
        size = int.from_bytes(data[start : start + width], "little")
        start += width
        ordered = 2 * (flags >> 2 & 1)
    else:
        start = address + 16
        size = int.from_bytes(data[address + 8 : address + 12], "little")
    head = struct.Struct("<BHB" if second else "<HHB3x")
    waiting, seen = [(start, start + size)], {start}
    while waiting:
        position, stop = waiting.pop()
        stop = min(stop, len(data))
        while position + head.size + ordered <= stop:
            kind, size, _ = head.unpack_from(data, position)
            position += head.size + ordered
            if position + size > stop:
                raise _damaged("a message passes the end of its header")
            if kind == _ATTRIBUTE:
                yield position, position + size
            elif kind == _CONTINUATION and size >= DESCRIPTOR_BYTES:
                start, size_there = struct.unpack_from("<QQ", data, position)
                if start in seen:
                    raise _damaged("a header continues in itself")
                seen.add(start)
                waiting.append((start + 4 * second, start + size_there - 4 * second))
            position += size


def _split(data: Data, start: int) -> tuple[bytes, int]:
    """An attribute's name, and where its values begin."""
    version, _, *sizes = struct.unpack_from("<BBHHH", data, start)
    position = start + (9 if version == 3 else 8)
    name = data[position : position + sizes[0]].split(b"\0")[0]
    for size in sizes:
        position += -(-size // 8) * 8 if version == 1 else size
    return name, position


def _texts(data: Data, position: int, count: int) -> list[bytes]:
    texts = []
    heap, objects, steps = None, dict[int, _Span](), 0
    for index in range(count):
        length, address, number = _DESCRIPTOR.unpack_from(data, position + index * _DESCRIPTOR.size)
        if length == 0 or address in _NOWHERE:
            texts.append(b"")
            continue
        if address != heap:
            heap, objects = address, _objects(data, address)
            steps += len(objects)
        start, size = objects.get(number, (0, 0))
        if length > size or steps > _MOST_STEPS:
            raise _damaged(f"{length} bytes are declared, {size} are stored")
        texts.append(data[start : start + length])
    return texts


def _objects(data: Data, address: int) -> dict[int, _Span]:
    """The objects of a global heap: index -> start and size."""
    if address + _HEAP.size > len(data) or data[address : address + 5] != b"GCOL\x01":
        raise _damaged(f"there is no heap at byte {address}")
    stop = min(len(data), address + _HEAP.unpack_from(data, address)[-1])
    position = address + _HEAP.size
    objects: dict[int, _Span] = {}
    while position + _OBJECT.size <= stop:
        index, _, _, size = _OBJECT.unpack_from(data, position)
        position += _OBJECT.size
        if index == 0:  # the free space, which is last
            break
        if position + size > stop:
            raise _damaged(f"an object passes the end of the heap at byte {address}")
        objects[index] = position, size
        position += -(-size // 8) * 8
    return objects
