"""Global heaps, where HDF5 keeps texts of variable length: checked before the library reads one.

HDF5 1.14 walks over a heap's objects by their sizes, and never ends where the free space,
object 0, has size 0. Layout: "Global Heap" in the HDF5 File Format Specification 3.0.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from convert.errors import WeightsError

_SIGNATURE = b"GCOL\x01"
_HEADER = struct.Struct("<4sB3xQ")  # signature, version, size of the whole
_OBJECT = struct.Struct("<HHIQ")  # index, references, reserved, size
_ALIGNMENT = 8


def check_heaps(path: str | Path) -> None:
    """Refuse a file with a heap that the library would never leave.

    Raises:
        WeightsError: there is one.
        OSError: the file cannot be read.
    """
    with (
        Path(path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        start = content.find(_SIGNATURE)
        while start >= 0:
            if _is_endless(content, start):
                raise WeightsError(f"{path} is damaged: the heap at byte {start} has no end")
            start = content.find(_SIGNATURE, start + 1)


def _is_endless(content: mmap.mmap, start: int) -> bool:
    if start + _HEADER.size > len(content):
        return False
    stop = min(len(content), start + _HEADER.unpack_from(content, start)[-1])
    position = start + _HEADER.size
    while position + _OBJECT.size <= stop:
        index, _, _, size = _OBJECT.unpack_from(content, position)
        if index:  # the size of an object leaves out its header, that of free space does not
            size = _OBJECT.size + -(-size // _ALIGNMENT) * _ALIGNMENT
        elif size == 0:
            return True
        position += size
    return False
