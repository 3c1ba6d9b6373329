"""Gzipped weights files: unpacked into a temporary file that has no name, and mapped."""

from __future__ import annotations

import gzip
import mmap
import tempfile
import zlib
from typing import IO

from keras_fcn.caffe.errors import WeightsError

GZIP = b"\x1f\x8b"
MAX_BYTES = 16 << 30
"""A gzipped file may unpack to so many bytes."""
MAX_RATIO = 100
"""And to so many times its own size, and SPARE_BYTES; trained weights hardly shrink."""
SPARE_BYTES = 16 << 20

_PIECE = 1 << 20


def unpack(path: str, file: IO[bytes], size: int) -> mmap.mmap:
    """Map what a gzipped file holds.

    It goes piece by piece to an unlinked file in the folder for temporary files
    (`TMPDIR`), so that memory does not grow with it.

    Args:
        path: the file's path, for messages.
        file: the file, opened for reading.
        size: how many bytes it has.

    Raises:
        WeightsError: the file is damaged, empty, or unpacks to more than the limits.
    """
    limit = min(MAX_BYTES, MAX_RATIO * size + SPARE_BYTES)
    try:
        with gzip.open(file) as packed, tempfile.TemporaryFile() as unpacked:
            count = 0
            while piece := packed.read(_PIECE):
                count += len(piece)
                if count > limit:
                    raise WeightsError(
                        f"{path} unpacks to more than {limit} bytes, which no weights of its size "
                        "do; if it is sound, unpack it with gunzip"
                    )
                unpacked.write(piece)
            unpacked.flush()
            if not count:
                raise WeightsError(f"{path} is empty; download or copy it again")
            return mmap.mmap(unpacked.fileno(), 0, access=mmap.ACCESS_READ)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise WeightsError(f"{path} is gzip, and damaged or cut short: {error}") from error
    except OSError as error:
        raise WeightsError(f"cannot unpack {path}: {error.strerror or error}") from error
