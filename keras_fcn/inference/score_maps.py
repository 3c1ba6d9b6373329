"""From a prepared image to a map of scores, and where its positions lie over the image.

All that labels images goes through here, so that `keras_fcn.segment` and
`keras_fcn.training.evaluate` say the same of an image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np

from keras_fcn.cards.card import card_of
from keras_fcn.inference.optimized import structure_of
from keras_fcn.inference.structure import fitting_size_of, positions_of
from keras_fcn.inference.tiling import tile_maps
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.resampling import half_pixel, resample
from keras_fcn.preprocessing.tiles import reflected

if TYPE_CHECKING:
    import keras

__all__ = [
    "OfAnySize",
    "Placed",
    "ScoreMap",
    "added_cells",
    "best_at",
    "centres",
    "cut_map",
    "fitted",
    "map_scores",
]

_AT_ONCE = 1 << 22
"""Scores of pixels that are there together."""

Forward = Callable[[np.ndarray], np.ndarray]


@runtime_checkable
class OfAnySize(Protocol):
    """A pass that brings images to sizes of its own."""

    def size_for(self, size: tuple[int, ...]) -> tuple[int, int]:
        """The (height, width) that an image of one is brought to."""

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The maps of images of such a size."""


@dataclass(frozen=True)
class ScoreMap:
    """Scores of an image.

    Attributes:
        scores: (rows, columns, classes), also of what was added to the image.
        size: (height, width) of the prepared image.
        offset: pixel of the prepared image at the centre of position (0, 0).
        stride: its pixels from one position to the next.
        added: rows and columns of positions for what was added alone.
    """

    scores: np.ndarray
    size: tuple[int, int]
    offset: tuple[float, float]
    stride: tuple[float, float]
    added: tuple[int, int] = (0, 0)

    def places(self, pixels: tuple[int, int], preprocessing: Preprocessing) -> list[np.ndarray]:
        """Positions, in those of the map, of the rows and columns of an image before preparation.

        Args:
            pixels: (height, width) of the image as it was.
            preprocessing: what it was prepared by, which may have resized and cropped it.
        """
        return [
            (centres - offset) / stride
            for centres, offset, stride in zip(
                _prepared_pixels(pixels, preprocessing), self.offset, self.stride, strict=True
            )
        ]

    def pixels(self, pixels: tuple[int, int], preprocessing: Preprocessing) -> list[np.ndarray]:
        """The nearest rows and columns of an image at the map's positions, -1 for none.

        The inverse of `places`; arguments are the same.
        """
        found = []
        for axis, centres in enumerate(_prepared_pixels(pixels, preprocessing)):
            wanted = self.offset[axis] + self.stride[axis] * np.arange(self.scores.shape[axis])
            step = _step(centres)
            nearest = np.floor((wanted - centres[0]) / step + 0.5).astype(np.intp)
            inside = (nearest >= 0) & (nearest < pixels[axis]) & (wanted < self.size[axis])
            found.append(np.where(inside, nearest, -1))
        return found

    def cut(self) -> np.ndarray:
        """The scores without the positions for what was added alone."""
        rows, columns = (
            cells - more for cells, more in zip(self.scores.shape, self.added, strict=False)
        )
        return self.scores[:rows, :columns]

    def at_pixels(self, pixels: tuple[int, int], preprocessing: Preprocessing) -> np.ndarray:
        """The scores (H, W, classes) at an image's pixels, bilinear, beyond the ends as there.

        Arguments are those of `places`.
        """
        return resample(self.scores, *self.places(pixels, preprocessing))


class Placed(NamedTuple):
    """A map, and where an image's pixels lie on it.

    Attributes:
        scores: (rows, columns, classes).
        rows: positions of the pixels' rows, see `keras_fcn.preprocessing.resampling`.
        columns: those of their columns.
        mirrored: whether the map is of the image with left and right exchanged.
    """

    scores: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    mirrored: bool = False

    def at_rows(self, part: slice) -> np.ndarray:
        """The scores at some rows of pixels."""
        found = resample(self.scores, self.rows[part], self.columns)
        return found[:, ::-1] if self.mirrored else found


def best_at(*maps: Placed) -> np.ndarray:
    """The best class of each pixel of an image, by the sum of maps of it.

    It goes some rows at a time: scores of all take more memory.
    """
    one = maps[0]
    step = max(1, _AT_ONCE // (len(one.columns) * one.scores.shape[-1]))
    parts = [slice(start, start + step) for start in range(0, max(len(one.rows), 1), step)]
    totals = (reduce(np.add, (x.at_rows(part) for x in maps)) for part in parts)
    return np.concatenate([total.argmax(axis=-1) for total in totals])


def _prepared_pixels(pixels: tuple[int, int], preprocessing: Preprocessing) -> list[np.ndarray]:
    """Places of an image's rows and columns on the prepared image."""
    whole, part = preprocessing.sizes(pixels)
    return [
        half_pixel(*lengths) - (lengths[0] - left) // 2
        for *lengths, left in zip(whole, pixels, part, strict=True)
    ]


def _step(centres: np.ndarray) -> float:
    return float(centres[1] - centres[0]) if len(centres) > 1 else 1.0


def map_scores(model: keras.Model, forward: Forward, images: np.ndarray) -> list[ScoreMap]:
    """Scores of prepared images, whatever their size.

    A model with tiles is given the images tile by tile. To another one images of a size that it
    cannot take are given with some rows below and columns on the right more, their own reflected.

    Args:
        model: a network whose output is a map of the image.
        forward: its pass, or one to scores on the way to its output:
            (N, height, width, channels) to (N, rows, columns, classes).
        images: (N, H, W, channels), prepared.

    Returns:
        The map of each image.
    """
    height, width = images.shape[1:3]
    tiles = card_of(model).tiles
    if tiles is not None:
        scores, added = tile_maps(forward, images, tiles), (0, 0)
        offset, stride = (0.0, 0.0), (float(tiles.zoom), float(tiles.zoom))
    else:
        scores, whole = _passed(model, forward, images)
        added = added_cells(scores.shape[1:3], whole, (height, width))
        offset, stride = zip(*centres(model, scores.shape[1:3], whole), strict=True)
    return [ScoreMap(one, (height, width), offset, stride, added) for one in scores]


def centres(
    model: keras.Model, cells: tuple[int, ...], pixels: tuple[int, int]
) -> Iterator[tuple[float, float]]:
    """For each axis the pixel at the centre of position 0, and pixels from one to the next.

    By the centres of what the positions see; where these are not known, and on maps as fine as
    the image, the positions share it evenly.
    """
    known = [(length / count) for count, length in zip(cells, pixels, strict=True)]
    own = None if all(even <= 1 for even in known) else positions_of(structure_of(model))
    for axis, even in enumerate(known):
        if own is None or even <= 1:
            yield even / 2 - 0.5, even
        else:
            yield own.offset[axis], own.stride[axis]


def cut_map(model: keras.Model, forward: Forward, image: np.ndarray) -> np.ndarray:
    """The map of a prepared image, without positions that are there for added pixels alone.

    Args:
        model: as for `map_scores`, without tiles.
        forward: as for `map_scores`.
        image: (H, W, channels), prepared.
    """
    (scores,), whole = _passed(model, forward, image[np.newaxis])
    rows, columns = added_cells(scores.shape[:2], whole, image.shape[:2])
    return np.asarray(scores[: len(scores) - rows, : scores.shape[1] - columns])


def added_cells(
    cells: tuple[int, ...], whole: tuple[int, int], own: tuple[int, ...]
) -> tuple[int, int]:
    """How many rows and columns of a map are of what was added to an image alone."""
    rows, columns = (
        min((pixels - part) * count // pixels, count - 1)
        for count, pixels, part in zip(cells, whole, own, strict=True)
    )
    return rows, columns


def _passed(
    model: keras.Model, forward: Forward, images: np.ndarray
) -> tuple[np.ndarray, tuple[int, int]]:
    """The outputs for images, and the size that these were brought to."""
    images = fitted(model, images)
    if isinstance(forward, OfAnySize):
        images = _reflected_to(forward.size_for(images.shape[1:3]), images)
    return forward(images), images.shape[1:3]


def fitted(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Prepared images (N, H, W, channels), reflected at the right and below as far as it takes."""
    height, width = images.shape[1:3]
    return _reflected_to(fitting_size_of(structure_of(model), (height, width)), images)


def _reflected_to(whole: tuple[int, int], images: np.ndarray) -> np.ndarray:
    height, width = images.shape[1:3]
    return reflected(images, (0, whole[0] - height), (0, whole[1] - width))
