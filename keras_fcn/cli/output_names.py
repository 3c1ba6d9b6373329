"""Names of the files that are written for pictures, and where these may go."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keras_fcn.preprocessing.videos import is_video

if TYPE_CHECKING:
    from keras_fcn.inference.jobs import Result

__all__ = ["made_place", "name_of", "output_names", "require_apart"]

Names = Mapping[str, str]
"""A picture's file as it is given -> what its results are named after."""

_FRAME = re.compile(r"(?P<video>.*)_\d{6,}")  # as `keras_fcn.preprocessing.videos.Frame` has them


def output_names(files: Sequence[str | Path]) -> dict[str, str]:
    """A name for each file, relative to a folder of results, that no other file has.

    It is the file's stem. Where two files have the same, it is the path from the folder that holds
    all of them; where two of these differ in their endings alone, with the ending.
    """
    absolute = {str(file): Path(os.path.abspath(file)) for file in files}
    parents = {path.parent for path in absolute.values()}
    top = Path(os.path.commonpath(parents)) if len(parents) > 1 else next(iter(parents), Path())
    ways: Sequence[Callable[[Path], Path]] = (
        lambda path: Path(path.stem),
        lambda path: path.relative_to(top).with_suffix(""),
        lambda path: path.relative_to(top),
    )
    for way in ways:
        names = {file: str(way(path)) for file, path in absolute.items()}
        if _differ({path: str(way(path)).casefold() for path in absolute.values()}):
            break
    return names


def _differ(names: Mapping[Path, str]) -> bool:
    """Whether names differ, also from those of numbered frames of videos."""
    files = {name: path for path, name in names.items()}
    matches = filter(None, map(_FRAME.fullmatch, files))
    before = (files.get(match["video"]) for match in matches)
    return len(files) == len(names) and not any(x is not None and is_video(x) for x in before)


def name_of(result: Result, names: Names) -> str:
    """What the results of a picture or of a frame are named after."""
    if result.frame is None:
        return names[result.name]
    return f"{names[result.frame.file]}_{result.frame.number:06}"


def require_apart(files: Sequence[str | Path], folder: str | Path, option: str = "-o") -> None:
    """Refuse to write results beside the pictures: the next run would take them for pictures.

    Raises:
        ValueError: a picture lies in the folder of results.
    """
    out = os.path.realpath(folder)
    for file in files:
        if os.path.realpath(Path(file).parent) == out:
            raise ValueError(
                "the results go to a folder of their own, or they would be taken for pictures the "
                f"next time. Received: {option} {folder}, where {file} is"
            )


def made_place(path: Path, result: Result) -> Path:
    """A file of a result, in a folder that is there.

    Raises:
        ValueError: it would go over the picture itself.
    """
    source = result.name if result.frame is None else result.frame.file
    if os.path.realpath(path) == os.path.realpath(source):
        raise ValueError(f"the result would be written over the picture {path}; give another -o")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
