"""LMDB databases that are open: keys, and what lies under a key."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fcn.caffe.errors import CaffeError

__all__ = ["FileMark", "content_of", "data_file", "is_leveldb", "keys_of", "opened"]


def content_of(path: Path, key: bytes) -> bytes:
    """What a database holds under a key.

    Raises:
        CaffeError: nothing; or it cannot be read.
    """
    with opened(path) as transaction:
        content: bytes | None = transaction.get(key)
    if content is None:
        raise CaffeError(f"{path}: no such key. Received: {key!r}")
    return content


def keys_of(path: Path) -> list[bytes]:
    """The keys of a database, in their order.

    Raises:
        CaffeError: it cannot be read.
    """
    with opened(path) as transaction:
        return list(transaction.cursor().iternext(keys=True, values=False))


@contextlib.contextmanager
def opened(path: Path, *, buffers: bool = False) -> Iterator[Any]:
    """A transaction that reads a database; of one that was replaced, the one that is there now.

    Args:
        path: the folder, or file, of the database.
        buffers: whether values are views of the file, good until the transaction ends.

    Raises:
        OSError: it is missing.
        CaffeError: it cannot be read.
    """
    lmdb = _lmdb(path)
    try:
        with (
            _reading(path.resolve()) as environment,
            environment.begin(buffers=buffers) as transaction,
        ):
            yield transaction
    except lmdb.Error as error:
        raise CaffeError(f"{path}: not an LMDB database that can be read: {error}") from error


@dataclass(frozen=True)
class FileMark:
    """What tells a file from another one that has taken its place.

    Attributes:
        number: of its device, and its own.
        content: its size in bytes, and when it was written last, in nanoseconds.
    """

    number: tuple[int, int]
    content: tuple[int, int]

    @classmethod
    def of(cls, file: Path) -> FileMark | None:
        """That of a file; None where it is missing."""
        try:
            found = file.stat()
        except OSError:
            return None
        return cls((found.st_dev, found.st_ino), (found.st_size, found.st_mtime_ns))


def data_file(path: Path) -> Path:
    """The file of a database, which may be named by its folder."""
    return path / "data.mdb" if path.is_dir() else path


@dataclass
class _Open:
    """An open database.

    Attributes:
        mark: of its file, when it was opened.
        environment: lmdb's.
        readers: transactions that are under way.
    """

    mark: FileMark | None
    environment: Any
    readers: int = 0


# A process may open each database but once. What leaves here is closed behind its last reader.
_known: dict[Path, _Open] = {}
_lock = threading.Lock()
_MOST_OPEN = 16


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """The open database of a path."""
    with _lock:
        mark = FileMark.of(data_file(path))
        if path in _known and _is_another(mark, _known[path]):
            _forget(path)
        entry = _known.pop(path, None) or _Open(mark, _environment(path))
        _known[path] = entry  # the last one
        for least in list(_known)[:-_MOST_OPEN]:
            _forget(least)
        entry.readers += 1
    try:
        yield entry.environment
    finally:
        with _lock:
            entry.readers -= 1
            if not entry.readers and _known.get(path) is not entry:
                entry.environment.close()


def _forget(path: Path) -> None:
    """Close a database, now or behind its last reader."""
    entry = _known.pop(path)
    if not entry.readers:
        entry.environment.close()


def _is_another(mark: FileMark | None, known: _Open) -> bool:
    """Whether a database is no longer the one that was opened.

    One that is missing is read on from memory. To one that is being written into while it is read,
    its transactions see.
    """
    if mark is None or mark == known.mark:
        return False
    return known.mark is None or mark.number != known.mark.number or not known.readers


def _environment(path: Path) -> Any:
    if not path.exists():
        raise FileNotFoundError(2, "no such database", str(path))
    if is_leveldb(path):
        raise CaffeError(
            f"{path} is a LevelDB database, which is not read; make an LMDB of it, as Caffe's "
            "tools do with --backend=lmdb"
        )
    lmdb = _lmdb(path)
    options = {"subdir": path.is_dir(), "readonly": True, "lock": False, "readahead": False}
    try:
        environment = lmdb.open(str(path), **options)
    except lmdb.Error:  # perhaps its file has the number of one that was deleted, and is held open
        for known in list(_known):
            _forget(known)
        environment = lmdb.open(str(path), **options)
    # A page beyond the end of a file that was cut short would kill the process.
    size = data_file(path).stat().st_size
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if size < needed:
        environment.close()
        raise CaffeError(f"{path}: cut short; it has {size} of {needed} bytes")
    return environment


def is_leveldb(path: Path) -> bool:
    """Whether a folder holds the other kind of database that Caffe has."""
    return (path / "CURRENT").is_file() and not (path / "data.mdb").exists()


def _lmdb(path: object) -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise CaffeError(
            f"{path} is read with the package lmdb: pip install 'keras-fcn[lmdb]'"
        ) from error
    return lmdb
