"""Images in `.npy` files, mapped a window at a time, and pictures, which are read as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.caffe.io.npy import declared
from keras_fcn.preprocessing.reading import read_stored
from keras_fcn.preprocessing.videos import is_video
from keras_fcn.rasters.source import Source, Window

__all__ = ["NpyImage", "Picture", "write_note"]


class NpyImage(Source):
    """An array (height, width) or (height, width, bands) in a `.npy` file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            try:
                self._header = declared(file, "the array", path.stat().st_size)
            except (ValueError, EOFError) as error:
                raise ValueError(f"{path}: not a .npy file of plain numbers: {error}") from error
            self._offset = file.tell()
        shape = self._header.shape
        if len(shape) not in (2, 3) or 0 in shape:
            raise ValueError(f"{path}: an image is (H, W) or (H, W, channels). Received: {shape}")
        self.size, self.dtype = (shape[0], shape[1]), self._header.dtype
        self.names = ("",) * (shape[2] if len(shape) == 3 else 1)

    def read(self, bands: Sequence[int], rows: slice, columns: slice) -> Window:
        shape, dtype, fortran = self._header
        # Mapped anew each time: pages of a mapping count as the process' memory until it ends.
        whole = np.memmap(self.path, dtype, "r", self._offset, shape, "F" if fortran else "C")
        part = whole[rows, columns]
        part = part[..., np.newaxis] if part.ndim == 2 else part
        return Window(np.asarray(part[..., list(bands)], dtype.newbyteorder("=")), None)


class Picture(Source):
    """A PNG, a JPEG or another picture that Pillow knows, within its limit of pixels.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a picture that is whole, larger than Pillow allows, or holds several.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if is_video(path):
            raise ValueError(f"{path} holds several pictures, and one is taken here; save it alone")
        pixels = read_stored(path)
        self._pixels = pixels if pixels.ndim == 3 else pixels[..., np.newaxis]
        self.size, self.dtype = self._pixels.shape[:2], self._pixels.dtype
        self.names = ("",) * self._pixels.shape[-1]
        self.alpha = 3 if len(self.names) == 4 else None

    def read(self, bands: Sequence[int], rows: slice, columns: slice) -> Window:
        return Window(self._pixels[rows, columns][..., list(bands)], None)


def write_note(path: Path, note: Mapping[str, Any] | None) -> None:
    """Write what a `.npy` cannot tell of itself beside it, to `NAME.npy.note.json`.

    Args:
        path: the `.npy`.
        note: it; None removes that of a file that was there before.
    """
    place = path.with_name(f"{path.name}.note.json")
    if note is None:
        place.unlink(missing_ok=True)
        return
    with atomic_write(place) as file:
        file.write(json.dumps(note, indent=1).encode() + b"\n")
