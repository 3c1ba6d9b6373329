"""Names of the files that are written for pictures, and where these may go."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_fcn.inference.jobs import Result

__all__ = ["made_place", "name_of", "output_names", "require_apart"]

Names = Mapping[str, str]
"""A picture's file as it is given -> what its results are named after."""

_FRAME = re.compile(r"(?P<video>.*)_\d{6,}")  # as `keras_fcn.preprocessing.videos.Frame` has them


def output_names(files: Sequence[str | Path]) -> dict[str, str]:
    """A name for each file, relative to a folder of results, that no other file has.

    It is the file's stem. Where two files have the same, it is the path from the folder that holds
    all of them; those of which that differs in the ending alone have it with the ending.
    """
    absolute = {str(file): Path(os.path.abspath(file)) for file in files}
    parents = {path.parent for path in absolute.values()}
    top = Path(os.path.commonpath(parents)) if len(parents) > 1 else next(iter(parents), Path())
    paths = set(absolute.values())
    whole = {path: path.relative_to(top) for path in paths}
    bare = {path: name.with_suffix("") for path, name in whole.items()}
    alone = Counter(_folded(name) for name in bare.values())
    ways = (
        {path: Path(path.stem) for path in paths},
        bare,
        {path: name if alone[_folded(name)] == 1 else whole[path] for path, name in bare.items()},
    )
    chosen = next(filter(_differ, ways), whole)
    return {file: str(chosen[path]) for file, path in absolute.items()}


def _folded(name: Path) -> str:
    """A name as file systems compare it that do not tell capitals."""
    return str(name).casefold()


def _differ(named: Mapping[Path, Path]) -> bool:
    """Whether names differ, also from those of numbered frames of videos."""
    from keras_fcn.preprocessing.videos import is_video

    files = {_folded(name): path for path, name in named.items()}
    matches = filter(None, map(_FRAME.fullmatch, files))
    before = (files.get(match["video"]) for match in matches)
    return len(files) == len(named) and not any(x is not None and is_video(x) for x in before)


def name_of(result: Result, names: Names) -> str:
    """What the results of a picture or of a frame are named after."""
    if result.frame is None:
        return names[result.name]
    return f"{names[result.frame.file]}_{result.frame.number:06}"


def require_apart(images: Iterable[str], folder: str | None, option: str) -> None:
    """Refuse results in a folder that is searched for pictures: the next run would take them.

    Args:
        images: files, folders and patterns as they are given.
        folder: of the results; None for none.
        option: what messages call it.

    Raises:
        ValueError: a picture that was found by a folder or a pattern lies in it.
    """
    from keras_fcn.preprocessing.files import is_searched, picture_files

    if folder is None:
        return
    for file in (file for image in images if is_searched(image) for file in picture_files(image)):
        if os.path.realpath(file.parent) == os.path.realpath(folder):
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
