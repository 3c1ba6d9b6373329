"""Files that are read: opened once, mapped, told apart by their first bytes, hashed.

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
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io.compressed import GZIP, MAX_BYTES, unpack

HASH_BYTES = 4 << 20
_BUFFER_BYTES = 1 << 20
_HDF5 = b"\x89HDF\r\n\x1a\n"
_SHA256 = "sha256"
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


class SourceFile:
    """A file opened for reading, once for all that is read of it.

    Use it as a context manager, or close it. Views of its content may outlive it; the system
    lets the file go with the last of them.

    Attributes:
        path: its path.
        data: its bytes, mapped.
        is_pipe: whether it is a pipe, which is read to its end at once, into a file that has
            no name.

    Raises:
        WeightsError: the file cannot be opened.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._lock = threading.Lock()
        self._digests: dict[str, str] = {}
        self._ahead: threading.Thread | None = None
        self._content: memoryview | None = None
        self.data: mmap.mmap | bytes
        try:
            self._file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - see close
            self.is_pipe = not self._file.seekable()
            if self.is_pipe:
                self._file = _read_to_end(self.path, self._file)
            size = os.fstat(self._file.fileno()).st_size
            self.data = _mapped(self._file) if size else b""
        except OSError as error:
            raise WeightsError(f"cannot read {path}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what is hashed ahead, and not asked for, is given up."""
        with self._lock:
            self._file.close()
        self._content = None
        if isinstance(self.data, mmap.mmap):
            with contextlib.suppress(BufferError):  # views of it are in use
                self.data.close()
            self.data = b""  # the map goes with the last view, whoever has this object

    @property
    def is_hdf5(self) -> bool:
        """Whether it is HDF5, by its first bytes."""
        return self.data[: len(_HDF5)] == _HDF5

    def is_at(self, handle: int) -> bool:
        """Whether an open file is this one, and not another that took its name since."""
        return os.path.samestat(os.fstat(handle), os.fstat(self._file.fileno()))

    def stream(self) -> io.BufferedReader:
        """The file's bytes from the first on; streams of one file do not disturb each other.

        They are read, not mapped: a mapped file that has become shorter kills the process.
        """
        return io.BufferedReader(_Stream(self._file, self._lock), _BUFFER_BYTES)

    def content(self) -> memoryview:
        """The bytes of a weights file, mapped; of a gzipped one what it holds, unpacked once.

        Raises:
            WeightsError: the file is empty, or evidently of another kind, such as a web page.
        """
        if self._content is None:
            self._content = self._unpacked()
        return self._content

    def _unpacked(self) -> memoryview:
        if not self.data:
            raise WeightsError(f"{self.path} is empty; download or copy it again")
        content = memoryview(self.data)
        if content[: len(GZIP)] == GZIP:
            content = memoryview(unpack(self.path, self.stream(), len(content)))
            if content[: len(_HDF5)] == _HDF5:
                raise WeightsError(f"{self.path} is HDF5 compressed with gzip; unpack it first")
        problem = foreign_file(bytes(content[:512]))
        if problem is not None:
            raise WeightsError(f"{self.path} is {problem}")
        return content

    def hash_ahead(self, kinds: Iterable[str] = (_SHA256,)) -> None:
        """Begin to compute hashes in the background, if none are begun yet."""
        if self._ahead is None:
            self._ahead = threading.Thread(target=self._hash_ahead, args=[kinds], daemon=True)
            self._ahead.start()

    def sha256(self) -> str:
        """The file's sha256, in hexadecimal digits; computed once."""
        return self.digests([_SHA256])[_SHA256]

    def digests(self, kinds: Iterable[str]) -> dict[str, str]:
        """The file's hashes, by kind, in hexadecimal digits; each is computed once.

        They tell files apart; nothing is kept secret by them.
        """
        kinds = list(kinds)
        if self._ahead is not None:
            self._ahead.join()
        wanted = [kind for kind in kinds if kind not in self._digests]
        if wanted:
            self._digests |= self._hashed(wanted)
        return {kind: self._digests[kind] for kind in kinds}

    def _hash_ahead(self, kinds: Iterable[str]) -> None:
        with contextlib.suppress(ValueError, WeightsError):  # closed; or whoever asks is told
            self._digests |= self._hashed(kinds)

    def _hashed(self, kinds: Iterable[str]) -> dict[str, str]:
        hashes = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
        # Large pieces: a hash runs without the GIL, and waits for it between them.
        stream, piece = self.stream(), memoryview(bytearray(HASH_BYTES))
        try:
            while size := stream.readinto(piece):
                for value in hashes.values():
                    value.update(piece[:size])
        except OSError as error:
            raise WeightsError(f"cannot read {self.path}: {error.strerror}") from error
        return {kind: value.hexdigest() for kind, value in hashes.items()}


class _Stream(io.RawIOBase):
    """Reads an open file from its own position."""

    def __init__(self, file: io.FileIO, lock: threading.Lock) -> None:
        super().__init__()
        self._file = file
        self._lock = lock
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with self._lock:
            self._file.seek(self._position)
            size = self._file.readinto(buffer) or 0
        self._position += size
        return size


@contextlib.contextmanager
def opened(file: str | Path | SourceFile) -> Iterator[SourceFile]:
    """A file, opened for the block; one that is open already stays so."""
    if isinstance(file, SourceFile):
        yield file
    else:
        with SourceFile(file) as source:
            yield source


def map_file(file: str | Path | SourceFile) -> memoryview:
    """Map a weights file, read-only; see `SourceFile.content`.

    Raises:
        WeightsError: the file is missing, empty, or evidently of another kind.
    """
    with opened(file) as source:
        return source.content()


def _read_to_end(path: str, pipe: io.FileIO) -> Any:
    """A file that has no name, of what a pipe gives."""
    with pipe, contextlib.ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile(buffering=0))
        size = 0
        while piece := pipe.read(_BUFFER_BYTES):
            size += len(piece)
            if size > MAX_BYTES:
                raise WeightsError(f"{path} gives more than {MAX_BYTES} bytes; give a file")
            file.write(piece)
        stack.pop_all()
        return file


def _mapped(file: io.FileIO) -> mmap.mmap:
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def foreign_file(start: bytes) -> str | None:
    """Kind of a file that evidently holds no weights, told by its start; None where it may."""
    text = start[:512].lstrip().lower()
    return next((what for sign, what in _OTHER_FILES.items() if text.startswith(sign)), None)
