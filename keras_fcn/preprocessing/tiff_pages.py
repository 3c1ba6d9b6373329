"""What the directories of a TIFF tell: which of its pages are pictures, and how they are stored."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from keras_fcn.caffe.words import either

__all__ = ["lost_in_memory", "picture_pages", "require_plain", "tiff_pages"]

Page = Mapping[int, int]
"""Tag -> its first value."""

_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION = 254, 259, 262, 274
_EXTRA_SAMPLES, _NODATA = 338, 42113
_WANTED = {_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _EXTRA_SAMPLES, _NODATA}
_REDUCED, _MASK = 1, 4
_JPEG, _YCBCR = 7, 6
_ALPHA = (1, 2)
_BYTES = {1: "B", 2: "B", 3: "H", 4: "I", 16: "Q"}
"""Type of a tag -> its letter in `struct`."""


def tiff_pages(path: str | os.PathLike[str]) -> list[Page]:
    """Each directory of a TIFF, in their order; none where the file is no TIFF, or damaged.

    Of a file whose directories overlap, as no program writes them, those are given that together
    are no longer than the file.

    Raises:
        OSError: the file cannot be read.
    """
    with Path(path).open("rb") as file:
        start = file.read(4)
        order = {b"II": "<", b"MM": ">"}.get(start[:2])
        version = start[2:].strip(b"\0")
        if order is None or version not in (b"*", b"+"):
            return []
        large = version == b"+"
        # Numbers of entries, one entry but for its value, and what a place in the file is.
        head, entry, place = ("Q", "HHQ", "Q") if large else ("H", "HHI", "I")
        left, found, seen = file.seek(0, os.SEEK_END), [], set()
        file.seek(8 if large else 4)
        try:
            (offset,) = _taken(file, order + place)
            while offset and offset not in seen:
                seen.add(offset)
                file.seek(offset)
                (count,) = _taken(file, order + head)
                size = struct.calcsize(order + entry + place)
                left -= count * size
                if left < 0:
                    break
                table = file.read(count * size)
                (following,) = _taken(file, order + place)
                found.append(_page(file, table, order, entry, place))
                offset = following
        except struct.error:
            pass
        return found


def _taken(file: IO[bytes], form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _page(file: IO[bytes], table: bytes, order: str, entry: str, place: str) -> Page:
    page: dict[int, int] = {}
    inside, wide = struct.calcsize(order + entry), struct.calcsize(order + place)
    for at in range(0, len(table), inside + wide):
        tag, kind, count = struct.unpack_from(order + entry, table, at)
        letter = _BYTES.get(kind)
        if tag not in _WANTED or letter is None or not count:
            continue
        value = table[at + inside : at + inside + wide]
        if count * struct.calcsize(letter) > wide:
            file.seek(*struct.unpack(order + place, value))
            value = file.read(8)
        (page[tag],) = struct.unpack_from(order + letter, value)
    return page


def picture_pages(path: str | os.PathLike[str]) -> list[int]:
    """Which pages of a TIFF are pictures, counted from 0: neither a smaller form nor a mask."""
    others = _REDUCED | _MASK
    pages = enumerate(tiff_pages(path))
    return [number for number, page in pages if not number or not page.get(_SUBFILE, 0) & others]


def require_plain(path: str | os.PathLike[str]) -> None:
    """Require a TIFF of one picture that is stored upright, as its readers by windows take it.

    Raises:
        ValueError: it is not.
    """
    count = len(picture_pages(path))
    if count > 1:
        raise ValueError(
            f"{path} holds {count} pictures, and one is taken here; gdal_translate "
            f"GTIFF_DIR:1:{path} one.tif keeps the first"
        )
    (page,) = tiff_pages(path)[:1] or [{}]
    orientation = page.get(_ORIENTATION, 1)
    if orientation > 1:
        raise ValueError(
            f"{path}: it is stored turned or mirrored (orientation {orientation}), and is taken "
            "here as it is stored only; save it upright, or as a PNG"
        )


def lost_in_memory(path: str | os.PathLike[str]) -> str | None:
    """What labels of a TIFF in memory do not tell as those from disk to disk; None for nothing."""
    if Path(path).suffix.lower() not in (".tif", ".tiff") or not Path(path).is_file():
        return None
    pages = tiff_pages(path)
    if not pages:
        return None
    first, disk = pages[0], either("segment_file and predict_file", "-o FILE.tif or .npy")
    has_mask = any(page.get(_SUBFILE, 0) & _MASK for page in pages)
    has_mask |= Path(f"{os.fspath(path)}.msk").is_file()
    if has_mask or _NODATA in first or first.get(_EXTRA_SAMPLES) in _ALPHA:
        return f"{path}: pixels without data are taken for others here; {disk} leave them out"
    if (first.get(_COMPRESSION), first.get(_PHOTOMETRIC)) == (_JPEG, _YCBCR):
        return (
            f"{path} is JPEG inside TIFF, whose colours Pillow decodes otherwise than GDAL does "
            f"for {disk}; labels may differ"
        )
    return None
