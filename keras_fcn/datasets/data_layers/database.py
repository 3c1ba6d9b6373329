"""Databases of `Datum`: LMDB, and LevelDB where the package plyvel is installed."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets.open_lmdb import FileMark, content_of, data_file, is_leveldb, keys_of

__all__ = ["Database", "open_database"]


@dataclass(frozen=True)
class Database:
    """The keys of a database in their order, and what lies under a key."""

    keys: Sequence[bytes]
    content: Callable[[bytes], bytes]


def open_database(path: Path) -> Database:
    """Open the database in a folder, of the kind that it is, whatever the `backend` says.

    Raises:
        CaffeError: it cannot be read, or the package for it is not installed.
    """
    if not is_leveldb(path):
        mark = FileMark.of(data_file(path))
        return Database(keys_of(path), functools.partial(_content, path, mark))
    database = _leveldb(path.resolve())
    keys = list(database.iterator(include_value=False))
    return Database(keys, functools.partial(_value, path, database))


def _content(path: Path, begun: FileMark | None, key: bytes) -> bytes:
    """What an LMDB has under a key, which it must have had from the beginning."""
    now = FileMark.of(data_file(path))
    if now is not None and begun is not None and now.number != begun.number:
        raise CaffeError(_replaced(path))
    return content_of(path, key)


def _replaced(path: Path) -> str:
    return f"{path} was replaced while it was read; open what reads it anew"


def _value(path: Path, database: Any, key: bytes) -> bytes:
    import plyvel

    if database.closed:
        raise CaffeError(_replaced(path))
    try:
        content: bytes | None = database.get(key, verify_checksums=True)
    except plyvel.Error as error:
        raise CaffeError(f"{path}: {key!r} cannot be read: {error}") from error
    if content is None:
        raise CaffeError(f"{path}: no such key. Received: {key!r}")
    return content


# A process may open each but once. Opening writes CURRENT anew: its mark is taken behind that.
_open: dict[Path, tuple[FileMark | None, Any]] = {}
_lock = threading.Lock()


def _leveldb(path: Path) -> Any:
    """The open database of a folder; one that was replaced is closed."""
    with _lock:
        current = path / "CURRENT"
        mark, database = _open.pop(path, (None, None))
        if database is not None and mark != FileMark.of(current):
            database.close()
            database = None
        if database is None:
            database = _opened(path)
            mark = FileMark.of(current)
        _open[path] = mark, database
    return database


def _opened(path: Path) -> Any:
    try:
        import plyvel
    except ImportError as error:
        raise CaffeError(
            f"{path} is a LevelDB database, which is read with the package plyvel: pip install "
            "'keras-fcn[leveldb]'; or make an LMDB of it, as Caffe's tools do with --backend=lmdb"
        ) from error
    try:
        return plyvel.DB(str(path), create_if_missing=False)
    except (plyvel.Error, OSError) as error:
        raise CaffeError(
            f"{path}: not a LevelDB database that can be opened: {error}; LevelDB writes a log "
            "and a lock into the folder, and one process at a time may have it open"
        ) from error
