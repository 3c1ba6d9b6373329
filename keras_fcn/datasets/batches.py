"""A data set as batches of arrays, made in threads: the pipeline that needs no TensorFlow."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from keras_fcn.datasets.example import Example
from keras_fcn.datasets.options import Options
from keras_fcn.inference.ordered import in_order

__all__ = ["Batches"]

_BATCHES_AHEAD = 3
_ENDLESS = int(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class Batches:
    """Batches (images, masks) or (images, labels), the same each time they are run through.

    Attributes:
        example: reads and prepares the pair at a position.
        count: pairs of the data set.
        options: of `LabelledImages.to_numpy`.
        ignore_index: what fills up masks.
        first: how many batches are left out, after their pairs were read.
        most: how many there are at most, those left out among them; None for all.
    """

    example: Example
    count: int
    options: Options
    ignore_index: int
    first: int = 0
    most: int | None = None

    def skip(self, count: int) -> Batches:
        """The same without the first ones."""
        return dataclasses.replace(self, first=self.first + count)

    def take(self, count: int) -> Batches:
        """The first ones."""
        return dataclasses.replace(self, most=self.first + count)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return islice(self._all(), self.first, self.most)

    def _all(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        threads = (os.cpu_count() or 1) if self.example.reproducible else 1
        ahead = _BATCHES_AHEAD * self.options.batch_size + threads
        found = in_order(self.example, self._positions(), ahead, threads)
        # Of a pair that cannot be used there is nothing, and the next one takes its place.
        good = ((image, mask) for image, mask, is_good in found if is_good)
        while batch := list(islice(good, self.options.batch_size)):
            images, masks = zip(*batch, strict=True)
            yield _stacked(images, 0.0), _stacked(masks, self.ignore_index)

    def _positions(self) -> Iterator[int]:
        """The positions in the endless sequence of epochs that this worker reads."""
        (worker, workers), size = self.options.shard, self.options.batch_size
        start = self.options.start * size * workers
        stop = _ENDLESS if self.options.repeat else self.count
        places = range(min(start, stop), stop)
        return (x for x in places if (x - start) // size % workers == worker)


def _stacked(arrays: Sequence[np.ndarray], fill: float) -> np.ndarray:
    """Arrays side by side, filled up at the ends of their axes."""
    shape = np.max([array.shape for array in arrays], axis=0).astype(int)
    if all(array.shape == tuple(shape) for array in arrays):
        return np.stack(arrays)
    result = np.full((len(arrays), *shape), fill, arrays[0].dtype)
    for place, array in zip(result, arrays, strict=True):
        place[tuple(slice(length) for length in array.shape)] = array
    return result
