"""MemoryData: arrays that Python gives.

Source: `src/caffe/layers/memory_data_layer.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from keras_fcn.datasets.data_layers.source import Batch, Setting, Source, reads

_SIZES = ("batch_size", "channels", "height", "width")


@reads("MemoryData")
class MemorySource(Source):
    """Batches of the arrays that `feed` took, from the first on again at the end."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        own = setting.own("memory_data_param", " ".join(_SIZES))
        sizes = tuple(own.get(name, 0) for name in _SIZES)
        if min(sizes) < 1 or len(self.tops) != 2:
            raise CaffeError(
                f"{setting.place}: MemoryData needs {', '.join(_SIZES)} of 1 or more, and two tops"
            )
        self.shapes = dict(zip(self.tops, (sizes, sizes[:1]), strict=True))
        self._arrays: tuple[np.ndarray, ...] = ()
        self._is_restored = False

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on at a place, also in arrays that are fed only then."""
        super().restore(state)
        self._is_restored = True

    def feed(self, data: ArrayLike, labels: ArrayLike) -> None:
        """Take the arrays of the coming batches, from their beginning.

        After a snapshot was restored they begin where it was taken.

        Args:
            data: `(N, channels, height, width)`, N a multiple of the batch; nothing of it is
                transformed.
            labels: one for each, `(N,)` or `(N, 1, 1, 1)`.

        Raises:
            ValueError: they are of other shapes.
        """
        first, second = np.array(data, np.float32), np.array(labels, np.float32)
        batch, *image = self.shapes[self.tops[0]]
        count = len(first) if first.ndim else 0
        fits = first.shape == (count, *image) and second.size == count == len(second.ravel())
        if not fits or not count or count % batch or second.shape[:1] != (count,):
            raise ValueError(
                f"{self.setting.place} takes data of {batch} * n images {tuple(image)} and one "
                f"label for each. Received: shapes {first.shape} and {second.shape}"
            )
        if "transform_param" in self.setting.layer.definition.fields:
            warnings.warn(
                f"{self.setting.place}: transform_param is for none of these arrays, as in Caffe",
                CaffeWarning,
                stacklevel=2,
            )
        self._arrays = first, second.ravel()
        self._require_labels(self._arrays, "fed")
        if not self._is_restored:
            self._given = 0
        self._is_restored = False

    def next(self) -> Batch:
        if not self._arrays:
            raise CaffeError(f"{self.setting.place}: nothing was fed; call feed(data, labels)")
        self._is_restored = False
        batch = self.shapes[self.tops[0]][0]
        start = self._given % len(self._arrays[0])
        self._given += batch
        parts = (array[start : start + batch].copy() for array in self._arrays)
        return dict(zip(self.tops, parts, strict=True))
