"""What tells a file from another in its place."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

__all__ = ["stamp"]

_ENDS, _PARTS, _PART = 1 << 20, 64, 1 << 14
_BESIDE = (".msk", ".aux.xml")
"""Endings that GDAL adds for a mask and for what else it knows, such as the value for no data."""


def stamp(path: Path) -> list[Any]:
    """A file's place, size, time, and a hash of parts of it and of what lies beside it.

    The time alone does not tell: copies may keep it, as those of rsync and of archives do.
    """
    found, digest = path.stat(), hashlib.sha256()
    beside = (path.with_name(path.name + ending) for ending in _BESIDE)
    for file in (path, *beside):
        digest.update(_parts(file) if file.is_file() else b"none")
    return [str(path.resolve()), found.st_size, found.st_mtime_ns, digest.hexdigest()]


def _parts(path: Path) -> bytes:
    """The hash of a small file; of a large one of its ends, and of parts between them."""
    size, digest = path.stat().st_size, hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(_ENDS))
        for index in range(_PARTS):
            file.seek(size * (index + 1) // (_PARTS + 1))
            digest.update(file.read(_PART))
        file.seek(max(0, size - _ENDS))
        digest.update(file.read(_ENDS))
    return digest.digest()
