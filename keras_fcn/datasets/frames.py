"""What a network needs around an image: a margin that it reads, and a size that it takes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

import numpy as np

from keras_fcn.preprocessing.tiles import Tiles, reflected

if TYPE_CHECKING:
    import keras

__all__ = ["Frame"]

Size = tuple[int, int]


class Frame:
    """Margin and sizes of the images of a network.

    Args:
        model: None for images of any size.
        tiles: of a network that reads a margin.
    """

    def __init__(self, model: keras.Model | None = None, tiles: Tiles | None = None) -> None:
        self._model = model
        self._tiles = tiles
        #: Pixels that it reads on each side of what its map covers.
        self.margin = 0 if tiles is None else tiles.margin
        self._known: dict[Size, Size] = {}
        self._lock = threading.Lock()  # examples are made in many threads, Keras shapes in one

    @property
    def only(self) -> Size | None:
        """The one size, without margin, that the images of a network with tiles may have."""
        if self._model is None or self._tiles is None or None in self._model.inputs[0].shape[1:3]:
            return None
        return self._tiles.step

    @classmethod
    def of(cls, model: keras.Model) -> Self:
        """The frame of a model's images."""
        from keras_fcn.core.card import card_of

        return cls(model, card_of(model).tiles)

    def around(self, size: Size) -> Size:
        """The size of an image with its margin."""
        height, width = size
        return height + 2 * self.margin, width + 2 * self.margin

    def within(self, size: Size) -> Size:
        """The inverse of `around`."""
        height, width = size
        return height - 2 * self.margin, width - 2 * self.margin

    def fit(self, size: Size) -> Size:
        """The next size that the network takes, margins not counted."""
        if self._model is None:
            return size
        from keras_fcn.graph.sizes import fitting_size

        with self._lock:
            if size not in self._known:
                self._known[size] = fitting_size(self._model, size, self._tiles)
            return self._known[size]

    def add_margin(
        self, image: np.ndarray, mask: np.ndarray, ignore_index: int, least: Size | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """An image reflected into the margin, and its mask, which says nothing there.

        With a margin, an image smaller than `least` is reflected further, below and right.
        """
        if not self.margin:
            return image, mask
        rows, columns = (
            (self.margin, self.margin + max(wanted - own - 2 * self.margin, 0))
            for own, wanted in zip(mask.shape, least or (0, 0), strict=True)
        )
        return reflected(image, rows, columns), _filled(mask, rows, columns, ignore_index)

    def fitted(
        self, image: np.ndarray, mask: np.ndarray, ignore_index: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """An image of a size that the network takes, margin included, and a mask without it."""
        height, width = self.within(mask.shape)
        mask = mask[self.margin :, self.margin :][:height, :width]
        rows, columns = (
            (0, new - old) for new, old in zip(self.fit((height, width)), mask.shape, strict=True)
        )
        return reflected(image, rows, columns), _filled(mask, rows, columns, ignore_index)


def _filled(
    mask: np.ndarray, rows: tuple[int, int], columns: tuple[int, int], value: int
) -> np.ndarray:
    if not any((*rows, *columns)):
        return mask
    return np.pad(mask, (rows, columns), constant_values=np.asarray(value, mask.dtype))
