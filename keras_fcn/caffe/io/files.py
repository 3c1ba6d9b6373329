"""Files written so that they appear whole or not at all.

Whole, whatever ends the program. Where the power fails within the seconds that the system
keeps new files in memory, it decides what is left, as after `cp`: nothing here waits for the disk.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from keras_fcn.caffe.errors import CaffeError

_PIECE = 256 << 10
"""Bytes that are handed to the system at once; Linux takes twice as long over 100 MB."""
_POSITION = threading.Lock()
_MASK = threading.Lock()


def write_at(handle: int, data: memoryview, offset: int) -> None:
    """Write all bytes at an offset of an open file, from any thread.

    Not every system has `pwrite`. A mapping of the file is slower, and where the disk is full,
    it ends the process instead of raising.
    """
    with _POSITION:
        os.lseek(handle, offset, os.SEEK_SET)
        while data:
            data = data[os.write(handle, data[:_PIECE]) :]


class WriteLog(io.RawIOBase):
    """A file in memory that keeps what was written where, and nothing in between.

    HDF5 writes its structure here, and we put it on the disk: a disk that is full then
    gives one plain OSError, where HDF5 itself prints several and may not close the file.
    """

    def __init__(self) -> None:
        super().__init__()
        self._writes: list[tuple[int, bytes]] = []
        self._stored = 0
        self._position = 0
        self._size = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position."""
        self._position = (0, self._position, self._size)[whence] + offset
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """Set the size of the whole file."""
        self._size = self._position if size is None else size
        return self._size

    def write(self, data: Any) -> int:
        """Keep a copy of the data."""
        copy = bytes(data)
        self._writes.append((self._position, copy))
        self._size = max(self._size, self._position + len(copy))
        return len(copy)

    def readinto(self, buffer: Any) -> int:
        """Give what was written, zeros in between."""
        view = memoryview(buffer).cast("B")
        view[:] = bytes(len(view))
        for offset, data in self._writes:
            start = max(offset, self._position)
            stop = min(offset + len(data), self._position + len(view))
            if start < stop:
                view[start - self._position : stop - self._position] = data[
                    start - offset : stop - offset
                ]
        return len(view)

    def store(self, handle: int) -> None:
        """Write what came since the last time to an open file, and set its size."""
        for offset, data in self._writes[self._stored :]:
            write_at(handle, memoryview(data), offset)
        self._stored = len(self._writes)
        os.ftruncate(handle, self._size)


def _umask() -> int:
    """The process' mask for new files, which can only be read by setting it."""
    with _MASK:
        mask = os.umask(0)
        os.umask(mask)
    return mask


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block succeeds.

    Raises:
        CaffeError: the folder does not exist or cannot be written, or the disk
            is full. A file that already stands under `path` is left as it is.
    """
    path = Path(path)
    temporary = None
    try:
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "not a plain file"
            raise CaffeError(f"cannot write {path}: it is {kind}; name a file")
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise CaffeError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file that becomes `path` when the block succeeds."""
    # Not "wb": ext4 sends a file that was cut to nothing, as it is closed, to the disk at once.
    with atomic_path(path) as temporary, io.BufferedWriter(_Pieces(temporary, "r+")) as file:
        yield file


class _Pieces(io.FileIO):
    """A file that takes large data in pieces; its buffer goes on with the next."""

    def write(self, data: Any) -> int:
        """Write a piece; how many bytes were written."""
        return super().write(memoryview(data)[:_PIECE]) or 0
