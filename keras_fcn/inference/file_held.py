"""The maps of the last tiles, in the file beside what they are blended to."""

from __future__ import annotations

import os

import numpy as np

from keras_fcn.rasters.unfinished import Unfinished

__all__ = ["FileMaps"]

_FLOAT = np.dtype(np.float32)


class FileMaps:
    """See `keras_fcn.inference.blending.Held`: a ring, in which a new map takes an old one's place.

    A run that goes on writes the same maps to the same places again.

    Args:
        unfinished: whose spare file holds them.
        count: how many.
        shape: (rows, columns, classes) of each.
    """

    def __init__(self, unfinished: Unfinished, count: int, shape: tuple[int, int, int]) -> None:
        self._unfinished, self._count, self._shape = unfinished, count, shape

    @staticmethod
    def size(count: int, shape: tuple[int, int, int]) -> int:
        """Bytes of the spare file."""
        return count * int(np.prod(shape)) * _FLOAT.itemsize

    def put(self, index: int, tile_map: np.ndarray) -> None:
        """See `Held`."""
        if tile_map.shape != self._shape:
            raise ValueError(f"a tile's map is {self._shape}. Received: {tile_map.shape}")
        self._unfinished.put_by(np.ascontiguousarray(tile_map, _FLOAT), self._place(index))

    def get(self, index: int, rows: slice, columns: slice) -> np.ndarray:
        """See `Held`."""
        each = self._shape[1] * self._shape[2]
        place = self._place(index) + rows.start * each * _FLOAT.itemsize
        count = (rows.stop - rows.start) * each
        file = self._unfinished.spare
        file.seek(place, os.SEEK_SET)
        data = file.read(count * _FLOAT.itemsize)
        return np.frombuffer(data, _FLOAT).reshape(-1, *self._shape[1:])[:, columns]

    def _place(self, index: int) -> int:
        return self.size(index % self._count, self._shape)
