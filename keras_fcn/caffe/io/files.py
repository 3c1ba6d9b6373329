"""Files: mapped, hashed, and written so that they appear whole or not at all.

Free of numpy, so that a conversion can begin to hash before anything else loads.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import mmap
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from keras_fcn.caffe.errors import CaffeError, WeightsError
from keras_fcn.caffe.io.compressed import GZIP, unpack

_HASH_BYTES = 4 << 20
_HDF5 = b"\x89HDF\r\n\x1a\n"
_WEB_PAGE = (
    "a web page, not a weights file; the download link is dead or asks for a login. Get the "
    "file from another mirror"
)
_OTHER_FILES = {  # first bytes, in lower case
    b"<!doctype": _WEB_PAGE,
    b"<html": _WEB_PAGE,
    b"<?xml": _WEB_PAGE,
    b"<!--": _WEB_PAGE,
    GZIP: "compressed with gzip; unpack it first",
    b"pk\x03\x04": "a zip archive; unpack it first",
    b"version https://git-lfs": "a Git LFS pointer, not the file; fetch it with git lfs pull",
}


def map_file(path: str | Path) -> mmap.mmap:
    """Memory-map a weights file, read-only; of a gzipped one what it holds.

    Raises:
        WeightsError: the file is missing, empty, or evidently a web page.
    """
    mapped = _map(path)
    if mapped[: len(GZIP)] == GZIP:
        mapped = unpack(path)
        if mapped[: len(_HDF5)] == _HDF5:
            raise WeightsError(f"{path} is HDF5 compressed with gzip; unpack it first")
    problem = foreign_file(mapped[:512])
    if problem is not None:
        raise WeightsError(f"{path} is {problem}")
    return mapped


def _map(path: str | Path) -> mmap.mmap:
    path = Path(path)
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise WeightsError(f"{path} is empty; download or copy it again")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from error


def foreign_file(start: bytes) -> str | None:
    """What a file that begins like this evidently is instead of weights; None where it may be."""
    text = start[:512].lstrip().lower()
    return next((what for sign, what in _OTHER_FILES.items() if text.startswith(sign)), None)


def is_hdf5(path: str | Path) -> bool:
    """Whether a file is HDF5, by its first bytes; False where it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(_HDF5)) == _HDF5
    except OSError:
        return False


class Sha256:
    """The sha256 of a file, computed in the background from the moment it is made."""

    def __init__(self, path: str | Path) -> None:
        _map(path).close()
        self._file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - the thread closes it
        self._hash = hashlib.sha256()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        # Large pieces: the hash runs without the GIL, and waits for it between them. They are
        # read, not mapped: this may go on when the file is already written anew, and a
        # mapped one that has become shorter kills the process.
        piece = memoryview(bytearray(_HASH_BYTES))
        with self._file as file:
            while size := file.readinto(piece):
                self._hash.update(piece[:size])

    def hexdigest(self) -> str:
        """Wait for the result."""
        self._thread.join()
        return self._hash.hexdigest()


def write_at(handle: int, data: memoryview, offset: int) -> None:
    """Write all bytes at a place of an open file."""
    while data:
        written = os.pwrite(handle, data, offset)
        data = data[written:]
        offset += written


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


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path``, renamed to it when the block succeeds.

    Raises:
        CaffeError: the folder does not exist or cannot be written, or the disk
            is full. A file that already stands under ``path`` is left as it is.
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
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except OSError as error:
        raise CaffeError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file that becomes ``path`` when the block succeeds."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        yield file
