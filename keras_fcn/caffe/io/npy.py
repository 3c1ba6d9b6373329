"""Arrays in `.npy` and `.npz`, from files that nobody vouches for; nothing is unpickled."""

from __future__ import annotations

import math
import zipfile
import zlib
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.io.source import SourceFile

DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What reading a damaged archive may raise."""

_SIGN = b"PK\x03\x04"
_NAME_AT = 30  # where the name of a zip archive's first member stands

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def is_archive(source: SourceFile) -> bool:
    """Whether a file is an archive whose first member is an array, by its first bytes."""
    start = bytes(source.data[:_NAME_AT])
    length = int.from_bytes(start[26:28], "little")
    name = bytes(source.data[_NAME_AT : _NAME_AT + length])
    return start.startswith(_SIGN) and name.endswith(b".npy")


class NotNumbersError(ValueError):
    """An array is sound, but holds other than real numbers."""


class Declared(NamedTuple):
    """What an array's header says of it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool


def declared(file: IO[bytes], name: str, size: int) -> Declared:
    """Read an array's header.

    Args:
        file: at the array's start.
        name: what messages call it.
        size: bytes that the array has, its header included.

    Raises:
        NotNumbersError: it holds other than real numbers.
        ValueError: it is pickled, or does not hold as much as it declares.
    """
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"arrays of version {version} are not read")
    shape, fortran, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError(f"{name} is pickled, which may run code, and is not loaded")
    if min(shape, default=0) < 0:
        raise ValueError(f"{name} declares the shape {shape}")
    if dtype.kind not in "fiu":
        raise NotNumbersError(f"{name} holds {dtype}, not real numbers")
    declares = math.prod(shape) * dtype.itemsize
    if file.tell() + declares != size:
        raise ValueError(f"{name} does not hold the {declares} bytes that it declares")
    return Declared(shape, dtype, fortran)


def read_array(file: IO[bytes], name: str, size: int) -> npt.NDArray[Any]:
    """Read an array whose header is as it should be, see `declared`."""
    shape, dtype, fortran = declared(file, name, size)
    return np.frombuffer(file.read(), dtype).reshape(shape, order="F" if fortran else "C")
