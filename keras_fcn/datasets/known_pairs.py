"""Pairs of images and masks that were good when they were read last."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.datasets.labelled import LabelledImages
from keras_fcn.datasets.sources import Source
from keras_fcn.published.cache import home

__all__ = ["KnownPairs"]

_good: dict[str, int] = {}
"""Mark of a pair that was good, as long as its files stay as they are -> its image's channels."""


class KnownPairs:
    """Marks of a data set's pairs: what their files and classes were when they were read."""

    def __init__(self, dataset: LabelledImages) -> None:
        labels = _hash(repr(dataset.labels))
        self._file = home() / "checked" / f"{_hash(dataset.name + labels)}.txt"
        self._marks = [
            None if None in stamps else _hash(f"{stamps} {labels}")
            for stamps in ((_stamp(pair.image), _stamp(pair.mask)) for pair in dataset.pairs)
        ]
        with contextlib.suppress(OSError, ValueError):  # nothing was kept, or something else
            lines = self._file.read_text("ascii").splitlines()
            _good.update({mark: int(channels) for mark, channels in map(str.split, lines)})

    def __getitem__(self, index: int) -> int | None:
        """Channels of the image of a pair that was good; None where that is not known."""
        mark = self._marks[index]
        return None if mark is None else _good.get(mark)

    def __setitem__(self, index: int, channels: int) -> None:
        mark = self._marks[index]
        if mark is not None:
            _good[mark] = channels

    def keep(self) -> None:
        """Write which pairs were good, where there is a place for it."""
        good = [f"{mark} {_good[mark]}" for mark in self._marks if mark in _good]
        with contextlib.suppress(OSError, CaffeError):  # they are read again next time
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(self._file) as file:
                file.write("\n".join(good).encode())


def _stamp(source: Source) -> str | None:
    """What changes with a file; None where it cannot be known."""
    path = getattr(source, "path", None)
    if not isinstance(path, Path):
        return None
    try:
        found = (path / "data.mdb" if path.is_dir() else path).stat()
    except OSError:
        return None
    return f"{source!r} {path.absolute()} {found.st_size} {found.st_mtime_ns}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]
