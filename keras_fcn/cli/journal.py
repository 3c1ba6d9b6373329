"""A record of what is done of a run over many pictures, so that one that was stopped goes on."""

from __future__ import annotations

import argparse
import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from keras_fcn.caffe.io.journals import journal_lines
from keras_fcn.cli.flags import flag
from keras_fcn.version import __version__

if TYPE_CHECKING:
    from keras_fcn.inference.pictures import Picture
    from keras_fcn.preprocessing.videos import Frame

__all__ = ["Journal", "described_run"]

Key = tuple[str, int | None]

_NO_MATTER = frozenset(
    (
        *("batch", "debug", "images", "json", "jsonl", "output", "quiet"),
        *("ray", "ray_workers", "resume", "run", "skip_bad", "strict"),
    )
)
"""Options that change nothing of a picture's results."""


class Journal:
    """A file with a line of JSON for the run, and one for each picture that is done.

    A picture counts as done where its line is whole, its file is as it was when it was read, and
    all that was written of it is there in its full length.

    Args:
        path: the file; None for none.
        run: what describes the run, see `described_run`.
        resume: whether to go on with what the file tells. Else it is begun anew.
        with_records: whether a picture counts as done only where its record was kept.

    Raises:
        ValueError: the file is of a run with other options.
    """

    def __init__(
        self, path: Path | None, run: Mapping[str, Any], resume: bool, with_records: bool
    ) -> None:
        self._with_records = with_records
        self._places: dict[Key, int] = {}
        self._stamps: dict[Key, list[int] | None] = {}
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        going_on = resume and path.is_file() and self._follow(path, run)
        self._file = path.open("r+b" if going_on else "w+b")
        if going_on:
            self._file.truncate(self._end)
        else:
            self._append({"run": run})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def _follow(self, path: Path, run: Mapping[str, Any]) -> bool:
        """Note the places of whole lines; false where there is not even a first one."""
        self._end = 0
        with path.open("rb") as file:
            for place, line in journal_lines(file):
                if "run" in line:
                    _require_same(line["run"], run, path)
                else:
                    self._places[line["image"], line["frame"]] = place
                self._end = file.tell()
        return self._end > 0

    def is_done(self, picture: Picture) -> bool:
        """Whether a picture is done; of another its file is looked at before it is read."""
        key = _key(picture.name, picture.frame)
        stamp = _stamp(key[0])
        line = self._line(key)
        if line is not None and stamp is not None and line["stamp"] == stamp:
            whole = all(_length(file) == size for file, size in line["files"].items())
            if whole and (line["record"] is not None or not self._with_records):
                return True
        self._stamps[key] = stamp
        return False

    def record(self, name: str, frame: Frame | None) -> Any:
        """The record of a picture that is done."""
        line = self._line(_key(name, frame))
        return None if line is None else line["record"]

    def note(
        self,
        name: str,
        frame: Frame | None,
        written: Sequence[Path],
        record: Mapping[str, Any] | None,
    ) -> None:
        """Note that a picture is done, when all of it is written."""
        if self._file is None:
            return
        key = _key(name, frame)
        self._append(
            {
                "image": key[0],
                "frame": key[1],
                "stamp": self._stamps.pop(key, None),
                "files": {os.path.abspath(path): _length(path) for path in written},
                "record": record,
            }
        )

    def _append(self, line: Mapping[str, Any]) -> None:
        assert self._file is not None
        with self._lock:
            self._file.seek(0, os.SEEK_END)
            self._file.write(json.dumps(line).encode() + b"\n")
            self._file.flush()

    def _line(self, key: Key) -> Any:
        place = self._places.get(key)
        if place is None or self._file is None:
            return None
        with self._lock:
            self._file.seek(place)
            return json.loads(self._file.readline())


def described_run(options: argparse.Namespace) -> dict[str, Any]:
    """What a run's results depend on but for the pictures: options, and the files they name."""
    told = {name: _told(x) for name, x in vars(options).items() if name not in _NO_MATTER}
    described: dict[str, Any] = json.loads(json.dumps({**told, "version": __version__}))
    return described


def _told(value: Any) -> Any:
    """An option's value as JSON; of a file or folder also how it is now."""
    if isinstance(value, list | tuple):
        return [_told(x) for x in value]
    if not isinstance(value, str | os.PathLike):
        return value if isinstance(value, bool | int | float | None) else repr(value)
    path = Path(value)
    if path.suffix.lower() == ".param":
        return [str(value), _stamp(path), _stamp(path.with_suffix(".bin"))]
    files = sorted(x for x in path.rglob("*") if x.is_file()) if path.is_dir() else [path]
    return [str(value), [_stamp(file) for file in files]]


def _require_same(old: Mapping[str, Any], new: Mapping[str, Any], path: Path) -> None:
    other = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    if other:
        names = ", ".join("another version" if x == "version" else flag(x) for x in other)
        raise ValueError(
            f"--resume goes on with a run of the same options; {path.parent} has one that differs "
            f"in {names}. Leave --resume out to begin anew, or choose another place"
        )


def _key(name: str, frame: Frame | None) -> Key:
    return (
        (os.path.abspath(name), None)
        if frame is None
        else (
            os.path.abspath(frame.file),
            frame.number,
        )
    )


def _stamp(path: str | Path) -> list[int] | None:
    """Length of a file, and when it was changed; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


def _length(path: str | Path) -> int | None:
    found = _stamp(path)
    return None if found is None else found[0]
