"""Databases of `Datum`: LMDB, and LevelDB where the package plyvel is installed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets.caffe_lmdb import content_of, is_leveldb, keys_of

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
        return Database(keys_of(path), functools.partial(content_of, path))
    database = _leveldb(path.resolve())
    keys = list(database.iterator(include_value=False))
    return Database(keys, functools.partial(_value, path, database))


def _value(path: Path, database: Any, key: bytes) -> bytes:
    import plyvel

    try:
        content: bytes | None = database.get(key, verify_checksums=True)
    except plyvel.Error as error:
        raise CaffeError(f"{path}: {key!r} cannot be read: {error}") from error
    if content is None:
        raise CaffeError(f"{path}: no such key. Received: {key!r}")
    return content


@functools.cache
def _leveldb(path: Path) -> Any:
    """An open database; a process may open each but once."""
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
