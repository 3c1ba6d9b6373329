"""HDF5 as untrusted input: nothing outside the file is read, no declared size believed.

The HDF5 library follows links into other files, allocates what a file declares and
inflates without a limit; h5py tells damage by errors of many kinds. Reading goes
through these functions instead.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.io.hdf5_texts import attribute_texts, text_at
from keras_fcn.caffe.io.source import SourceFile, opened

MAX_EXPANSION = 8
"""Arrays may take so many times the file's size, and SPARE_BYTES; zeros compress well."""
SPARE_BYTES = 32 << 20

_SHOWN = 300  # characters of a library's message
_DAMAGE: tuple[type[Exception], ...] = (OSError, RuntimeError, LookupError, ValueError, TypeError)
_DAMAGE += (ArithmeticError, struct.error, zlib.error)
_FILTERS = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32)
_CHECKSUM_BYTES = 4
_ATTRIBUTE_TYPES = (h5py.h5t.TypeStringID, h5py.h5t.TypeIntegerID, h5py.h5t.TypeFloatID)


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn what h5py raises on a damaged file into a WeightsError that names the file."""
    try:
        yield
    except _DAMAGE as error:
        problem = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise WeightsError(f"cannot read {path} as HDF5: {str(problem)[:_SHOWN]}") from error


class Hdf5File:
    """An HDF5 file opened for reading, once: by the HDF5 library, and as bytes.

    Attributes:
        path: its path.
        source: the file, which stays open when this is closed.
        root: its root group.

    Raises:
        WeightsError: it is not HDF5, is damaged, or has been replaced since it was opened.
    """

    def __init__(self, source: SourceFile) -> None:
        self.path = source.path
        self.source = source
        if source.is_pipe:
            raise WeightsError(f"{self.path} is a pipe, which cannot hold HDF5; give a file")
        with reading(self.path):
            self.root = h5py.File(self.path, "r")
        if os.name == "posix" and not source.is_at(self.root.id.get_vfd_handle()):
            self.root.close()
            raise WeightsError(f"{self.path} was replaced while it was opened; read it again")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; what has been read stays."""
        self.root.close()

    def member(self, name: str) -> h5py.Group | h5py.Dataset | None:
        """The object under a name in the root; see `member`."""
        return member(self.root, name)

    def text(self, dataset: h5py.Dataset) -> str:
        """The value of a dataset that holds one text; see `stored_bytes`."""
        stored_bytes(dataset)
        kind = h5py.check_string_dtype(dataset.dtype)
        if dataset.shape != () or kind is None:
            raise WeightsError(f"{_place(dataset)} is not one text")
        if kind.length is not None:
            return str(dataset.asstr()[()])
        offset = dataset.id.get_offset()
        if offset is None:
            raise WeightsError(f"{_place(dataset)} is a text in chunks; store it plainly")
        return text_at(self.source.data, offset).decode()

    def attributes(self, owner: h5py.Group | None = None) -> dict[str, Any]:
        """All attributes, texts or numbers, of the root or of a group."""
        owner = self.root if owner is None else owner
        # h5py gives a name that is not UTF-8 as bytes; no writer that we know makes one.
        keys = [key for key in owner.attrs if isinstance(key, str)]
        values = {key: self.attribute(owner, key) for key in keys}
        return {key: value for key, value in values.items() if value is not None}

    def attribute(self, owner: h5py.Group | h5py.Dataset, name: str) -> Any:
        """The value of an attribute, texts or numbers; None where there is none, or another kind.

        A text is `str`, whether it was stored with a fixed length or not; of several such
        with a fixed length an array of `bytes`.
        """
        encoded = name.encode()
        if not h5py.h5a.exists(owner.id, encoded):
            return None
        found = h5py.h5a.open(owner.id, encoded)
        kind = found.get_type()
        if found.shape is None or not isinstance(kind, _ATTRIBUTE_TYPES):
            return None
        count = math.prod(found.shape)
        check_total(owner, count * kind.get_size())
        if not (isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str()):
            value = owner.attrs[name]
            return value.decode() if isinstance(value, bytes) else value
        address = h5py.h5o.get_info(owner.id).addr
        texts = attribute_texts(self.source.data, address, encoded, count)
        return texts[0].decode() if found.shape == () else [value.decode() for value in texts]

    def names(self, owner: h5py.Group, key: str) -> list[str] | None:
        """An attribute's names, also in pieces `key0`, `key1`; None where there are none."""
        whole = self.attribute(owner, key)
        pieces = [] if whole is None else [whole]
        if whole is None:
            while (piece := self.attribute(owner, f"{key}{len(pieces)}")) is not None:
                pieces.append(piece)
            if not pieces:
                return None
        found = [n.decode() if isinstance(n, bytes) else str(n) for piece in pieces for n in piece]
        "".join(found).encode()  # h5py lets through what is no text
        return found


@contextlib.contextmanager
def open_file(path: str | Path | SourceFile) -> Iterator[Hdf5File]:
    """A file opened for reading; errors inside the block are handled by `reading`."""
    with opened(path) as source, Hdf5File(source) as file, reading(source.path):
        yield file


def member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """The object under a name, or under names joined by `/`; None where there is none.

    Only what the group holds itself counts: no soft link, and none to another file.
    """
    found: Any = group
    for part in name.split("/"):
        encoded = part.encode()
        if not isinstance(found, h5py.Group) or part in ("", ".") or encoded not in found.id:
            return None
        if found.id.links.get_info(encoded).type != h5py.h5l.TYPE_HARD:
            return None
        found = found[encoded]
    return found if isinstance(found, h5py.Group | h5py.Dataset) else None


def check_total(owner: h5py.Group | h5py.Dataset, size: int) -> None:
    """Refuse values that take far more memory than their file can hold."""
    limit = MAX_EXPANSION * _file_size(owner) + SPARE_BYTES
    if size > limit:
        raise WeightsError(
            f"{owner.file.filename} declares {size} bytes of values; a file of its size may have "
            f"{limit}"
        )


def _file_size(owner: h5py.Group | h5py.Dataset) -> int:
    return int(h5py.h5i.get_file_id(owner.id).get_filesize())


def _place(dataset: h5py.Dataset) -> str:
    return f"{dataset.file.filename}: {dataset.name.lstrip('/')}"


def stored_bytes(dataset: h5py.Dataset) -> int:
    """The size of a dataset's values, after it is certain that the file holds them.

    Raises:
        WeightsError: the values lie elsewhere, or are fewer than declared, or take
            more memory than a file of this size may ask for.
    """
    if dataset.is_virtual or dataset.external:
        raise WeightsError(f"{_place(dataset)} is not stored in the file")
    if dataset.shape is None:
        raise WeightsError(f"{_place(dataset)} holds no values")
    size = int(dataset.nbytes)
    chunk = math.prod(dataset.chunks or (0,)) * dataset.dtype.itemsize
    check_total(dataset, max(size, chunk))
    if dataset.chunks is not None:
        _check_chunks(dataset, chunk, _place(dataset))
    elif dataset.id.get_storage_size() < size:
        raise WeightsError(
            f"{_place(dataset)} declares {size} bytes, {dataset.id.get_storage_size()} are stored"
        )
    return size


def _check_chunks(dataset: h5py.Dataset, size: int, where: str) -> None:
    """Every chunk is there, and gives exactly its declared size."""
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(index)[0] for index in range(plist.get_nfilters())]
    if filters != [code for code in _FILTERS if code in filters]:
        raise WeightsError(f"{where} is compressed in another way than gzip; store it plainly")
    chunks: list[Any] = []
    dataset.id.chunk_iter(chunks.append)
    counts = (-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
    if len(chunks) < math.prod(counts):
        raise WeightsError(f"{where} has chunks that are not stored")
    for chunk in chunks:
        used = {code for bit, code in enumerate(filters) if not chunk.filter_mask >> bit & 1}
        checksum = _CHECKSUM_BYTES * (h5py.h5z.FILTER_FLETCHER32 in used)
        if h5py.h5z.FILTER_DEFLATE not in used:
            given = chunk.size - checksum
        elif chunk.size > _file_size(dataset):
            given = -1
        else:
            _, data = dataset.id.read_direct_chunk(chunk.chunk_offset)
            given = len(zlib.decompressobj().decompress(data, size + 1))
        if given != size:
            raise WeightsError(f"{where} has a chunk that does not give its {size} bytes")


def numbers(dataset: h5py.Dataset) -> npt.NDArray[Any]:
    """The values of a dataset of real numbers; see `stored_bytes`."""
    stored_bytes(dataset)
    return values(dataset)


def values(dataset: h5py.Dataset) -> npt.NDArray[Any]:
    """The same, of a dataset whose size is known to be right."""
    if dataset.dtype.kind not in "fiu":
        raise WeightsError(f"{_place(dataset)} holds {dataset.dtype}, not real numbers")
    found: npt.NDArray[Any] = np.asarray(dataset[()])
    return found
