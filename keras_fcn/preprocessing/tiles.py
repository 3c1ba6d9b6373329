"""DilatedNet's procedure: an image cut into tiles, and their maps set side by side.

Yu and Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", 2016; what is done
is what the authors' `predict.py` does, but where it reads past the end of its map.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from keras_fcn.preprocessing.resampling import resample

__all__ = ["Tiles", "reflected"]


@dataclasses.dataclass(frozen=True)
class Tiles:
    """Cutting of an image into tiles.

    The image gets a border of `margin` pixels, in which it is reflected about its outermost
    pixels, and is cut into tiles of `size` that overlap by twice the margin; what a tile lacks
    on the right and below is reflected once more. The network's maps of the tiles are set side
    by side. Then position (i, j) stands for pixel `zoom * (i, j)`, and the pixels between are
    interpolated; with `zoom` 1 positions are pixels.

    Args:
        size: (height, width) of the network's input.
        margin: pixels of the input beyond what its map covers, on each side.
        zoom: pixels of the image from one position to the next.

    Raises:
        ValueError: the margins leave nothing of a tile, or the zoom is below 1.
    """

    size: tuple[int, int]
    margin: int
    zoom: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", tuple(map(int, self.size)))
        if self.margin < 0 or self.zoom < 1 or min(self.step) < 1:
            raise ValueError(
                "`size` must exceed twice the `margin`, and `zoom` be at least 1. Received: "
                f"size={self.size}, margin={self.margin}, zoom={self.zoom}"
            )

    @property
    def step(self) -> tuple[int, int]:
        """Pixels from one tile to the next: (rows, columns)."""
        height, width = self.size
        return height - 2 * self.margin, width - 2 * self.margin

    def with_cells(self, rows: int, columns: int) -> Tiles | None:
        """The tiles of a network that gives another number of positions on each of them.

        None where positions would not lie equally far apart in both directions, and maps of tiles
        not side by side.
        """
        height, width = self.step
        zoom = height // max(rows, 1)
        fits = (zoom * rows, zoom * columns) == (height, width)
        return dataclasses.replace(self, zoom=zoom) if fits else None

    def cut(self, images: np.ndarray) -> Iterator[list[np.ndarray]]:
        """The tiles of images (..., H, W, channels), row by row."""
        margin = (self.margin, self.margin)
        bordered = reflected(images, margin, margin)
        height, width = images.shape[-3:-1]
        for top in range(0, height, self.step[0]):
            yield [self._tile(bordered, top, left) for left in range(0, width, self.step[1])]

    def _tile(self, bordered: np.ndarray, top: int, left: int) -> np.ndarray:
        height, width = self.size
        tile = bordered[..., top : top + height, left : left + width, :]
        return reflected(tile, (0, height - tile.shape[-3]), (0, width - tile.shape[-2]))

    def enlarge(self, scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The scores (rows, columns, classes) at each pixel of an image of (height, width).

        Past the last position its scores stay; the published procedure reads other numbers there.
        """
        height, width = size
        if self.zoom == 1:
            return scores[:height, :width]
        return resample(scores, np.arange(height) / self.zoom, np.arange(width) / self.zoom)


def reflected(images: np.ndarray, rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
    """Images (..., H, W, channels) with more rows and columns, (before, behind): mirrored ones.

    The outermost pixels stand once, as in OpenCV's `BORDER_REFLECT_101`.
    """
    if not any((*rows, *columns)):
        return images
    others = ((0, 0),) * (images.ndim - 3)
    return np.pad(images, (*others, rows, columns, (0, 0)), mode="reflect")
