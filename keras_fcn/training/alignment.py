"""Alignment of a score map with the image's pixels, during training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.graph.receptive_fields import receptive_field
from keras_fcn.layers._interpolation import positions, resampled, tents
from keras_fcn.preprocessing.tiles import Tiles

__all__ = ["Alignment"]

# (pixel of the first position's centre, pixels from one position to the next)
_Axis = tuple[float, float]


@dataclass(frozen=True)
class Alignment:
    """Positions of a feature map over the image, as `keras_fcn.segment` has them.

    By the centres of what the positions see; where these are not known, and on maps that are not
    coarser than the image, the positions share it evenly.

    Args:
        axes: for rows and columns, pixel of the centre of position 0 and pixels from one position
            to the next; None where they are not known.
    """

    axes: tuple[_Axis, _Axis] | None = None

    @classmethod
    def of(cls, inputs: Any, tensor: Any, margin: int = 0) -> Alignment:
        """Alignment of a map within a model, by its receptive field.

        Args:
            inputs: the model's.
            tensor: the map.
            margin: pixels of the input before the image's first.
        """
        field = receptive_field(keras.Model(inputs, tensor)).get(
            tensor._keras_history.operation.name
        )
        if field is None:
            return cls()
        (top, left), (down, right) = field.offset, field.stride
        return cls(((top - margin, down), (left - margin, right)))

    @classmethod
    def of_tiles(cls, tiles: Tiles) -> Alignment:
        """Alignment of the output of a network with tiles: position i is at pixel `i * zoom`."""
        axis = (0.0, float(tiles.zoom))
        return cls((axis, axis))

    def enlarge(self, scores: Any, size: tuple[Any, Any]) -> Any:
        """Scores `(N, h, w, C)` at the pixels of images of (height, width), bilinear.

        Beyond the outermost centres the scores stay.
        """
        cells = ops.shape(scores)[1:3]

        def resized() -> Any:
            weights = (
                tents(ops.clip(self._cells(axis, *lengths), 0, lengths[0] - 1), lengths[0])
                for axis, *lengths in zip((0, 1), _floats(cells), _floats(size), strict=True)
            )
            return resampled(scores, *weights)

        if all(isinstance(length, int) for length in (*cells, *size)):
            return scores if tuple(cells) == tuple(size) else resized()
        same = (cells[0] == size[0]) & (cells[1] == size[1])
        return ops.cond(same, lambda: scores, resized)

    def pick(self, labels: Any, cells: tuple[Any, Any], ignore_index: int) -> Any:
        """Labels `(N, H, W)` at the centres of a map's positions, `(N, h, w)`: the nearest pixel's.

        A position whose centre is outside the image gets `ignore_index`.
        """
        for axis in (0, 1):
            length = ops.shape(labels)[axis + 1]
            places = self._pixels(axis, *_floats((cells[axis], length)))
            indices = ops.cast(ops.floor(places + 0.5), "int32")
            inside = (indices >= 0) & (indices < length)
            labels = ops.take(labels, ops.clip(indices, 0, length - 1), axis=axis + 1)
            shape = (-1, 1) if axis == 0 else (1, -1)
            labels = ops.where(ops.reshape(inside, shape), labels, ignore_index)
        return labels

    def _known(self, axis: int, cells: Any, pixels: Any) -> tuple[Any, Any]:
        """Offset and stride of an axis whose lengths are floats."""
        even = pixels / cells
        if self.axes is None:
            return even / 2 - 0.5, even
        offset, stride = self.axes[axis]
        coarse = cells < pixels
        return ops.where(coarse, offset, even / 2 - 0.5), ops.where(coarse, stride, even)

    def _cells(self, axis: int, cells: Any, pixels: Any) -> Any:
        offset, stride = self._known(axis, cells, pixels)
        return (positions(pixels) - offset) / stride

    def _pixels(self, axis: int, cells: Any, pixels: Any) -> Any:
        offset, stride = self._known(axis, cells, pixels)
        return offset + stride * positions(cells)


def _floats(lengths: Any) -> list[Any]:
    """Lengths as float32; known ones stay numbers, which every backend can count up to."""
    return [
        np.float32(length) if isinstance(length, int) else ops.cast(length, "float32")
        for length in lengths
    ]
