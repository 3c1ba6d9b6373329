"""Files of pictures: one, those of a folder, of a pattern, or of a list."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from keras_fcn.preprocessing.reading import SUFFIXES

__all__ = ["is_one_file", "is_searched", "picture_files"]

_WILD = "*?["


def is_one_file(path: str | os.PathLike[str]) -> bool:
    """Whether a path means one picture, be it there or not."""
    path = Path(path)
    return not (path.is_dir() or _list(path) is not None or _is_pattern(path))


def is_searched(path: str | os.PathLike[str]) -> bool:
    """Whether a path means whatever files are there now: of a folder or of a pattern."""
    return Path(path).is_dir() or _is_pattern(Path(path))


def picture_files(path: str | os.PathLike[str]) -> list[Path]:
    """The files that a path means.

    Args:
        path: a picture or a video; a folder, whose pictures come by name; a pattern such as
            `*.jpg`, whose files come by name; or a list, a `.txt` file or any file as `@file`, with
            one on each line, relative to the list's folder.

    Raises:
        ValueError: a folder or pattern without pictures, an empty list, or an address.
    """
    text, path = os.fspath(path), Path(path)
    if "://" in text:
        raise ValueError(f"pictures are files of this machine; download it first. Received: {text}")
    if path.is_dir():
        found = [x for x in path.iterdir() if x.suffix.lower() in SUFFIXES and x.name[0] != "."]
        if not found:
            within = any(x.is_dir() for x in path.iterdir())
            hint = f"; of folders within it give {str(path / '*' / '*.png')!r}" if within else ""
            raise ValueError(f"{path}: no pictures ({', '.join(sorted(SUFFIXES))}){hint}")
        return sorted(found)
    if _is_pattern(path):
        found = [Path(x) for x in glob.glob(text, recursive=True) if Path(x).is_file()]
        if not found:
            raise ValueError(f"{path}: no file is of this pattern")
        return sorted(found)
    listed = _list(path)
    if listed is None:
        return [path]
    found = [listed.parent / line for x in _lines(listed) if (line := x.strip())]
    if not found:
        raise ValueError(f"{listed}: a list of pictures has a file on each line; it is empty")
    return found


def _is_pattern(path: Path) -> bool:
    return any(x in str(path) for x in _WILD) and not path.exists()


def _list(path: Path) -> Path | None:
    """The list that a path means, if it means one."""
    if path.is_file():
        return path if path.suffix.lower() == ".txt" else None
    return Path(str(path)[1:]) if str(path).startswith("@") else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: a list of pictures is UTF-8 text: {error}") from error
