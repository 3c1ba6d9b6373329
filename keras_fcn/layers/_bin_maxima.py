"""Positions of the maxima of many rectangles of a feature map.

Tables hold the maxima of windows of 1, 2 and 4 rows and columns at every place; a
rectangle is covered by the largest windows that fit, which may overlap. Looking at each
position of 300 regions one by one takes twice as long.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

_LEVELS = (1, 2, 4)
_LOWEST = {"float16": -65504.0, "bfloat16": -3.3895313892515355e38}
_LOWEST_FLOAT32 = -3.4028234663852886e38  # Caffe's -FLT_MAX
_NOWHERE = 2**31 - 1

Found = tuple[Any, Any]
"""Maxima, and the index of each one's position; the smallest index among equal ones."""


def maxima_of_bins(x: Any, images: Any, rows: Found, columns: Found) -> Any:
    """Positions of the maxima of a grid of bins over each region.

    Args:
        x: maps (N, H, W, C).
        images: each region's image, (R,).
        rows: first rows of the bins, and those behind their last ones, (R, P) both.
        columns: the same for columns, (R, Q).

    Returns:
        Index of the position among all N * H * W, (R, P, Q, C); -1 for a bin without positions.
    """
    count, height, width, channels = ops.shape(x)
    values, cells = _tables(x)
    down, right = _Cover(*rows, height), _Cover(*columns, width)
    level = down.level[:, :, None] * len(_LEVELS) + right.level[:, None, :]
    table = (level * count + images[:, None, None]) * height

    def look(step: Any, best: Any, places: Any) -> tuple[Any, Any, Any]:
        """Compare with all bins' windows of this number."""
        row, column = step // right.most, step % right.most
        there = (row < down.steps)[:, :, None] & (column < right.steps)[:, None, :]
        at = (table + down.start(row)[:, :, None]) * width + right.start(column)[:, None, :]
        found = ops.take(values, at, axis=0), ops.take(cells, at, axis=0)
        better = there[..., None] & _wins(found, (best, places))
        return (
            step + 1,
            ops.where(better, found[0], best),
            ops.where(better, found[1], places),
        )

    places = ops.tile(ops.zeros_like(level)[..., None] + _NOWHERE, (1, 1, 1, channels))
    best = ops.full_like(places, _lowest(x), dtype=x.dtype)
    _, _, places = ops.while_loop(
        lambda step, *_: step < down.most * right.most,
        look,
        (ops.zeros((), "int32"), best, places),
    )
    return ops.where(ops.equal(places, _NOWHERE), -1, places)


class _Cover:
    """The windows that cover each bin along one axis."""

    def __init__(self, first: Any, end: Any, size: Any) -> None:
        length = end - first
        self.level = sum(ops.cast(length >= window, "int32") for window in _LEVELS[1:])
        self.window = ops.left_shift(ops.ones_like(self.level), self.level)
        self.steps = ops.maximum((length + self.window - 1) // self.window, 0)
        self.most = ops.max(self.steps, initial=0)
        self._first, self._end, self._size = first, end, size

    def start(self, step: Any) -> Any:
        """First position of the window of this number; the last window ends with the bin."""
        start = ops.minimum(self._first + step * self.window, self._end - self.window)
        return ops.clip(start, 0, self._size - 1)


def _tables(x: Any) -> Found:
    """Maxima of the windows of all sizes, one row each, (9 * N * H * W, C) both."""
    count, height, width, channels = ops.shape(x)
    number = count * height * width
    cells = ops.reshape(ops.arange(number, dtype="int32"), (count, height, width, 1))
    cells = cells + ops.zeros_like(x, dtype="int32")
    # Nothing is larger than NaN, nor NaN than anything.
    values = ops.where(ops.isnan(x), ops.full_like(x, _lowest(x)), x)
    found = []
    for row in _doubled((values, cells), axis=1):
        found += _doubled(row, axis=2)
    flat = (number * len(_LEVELS) ** 2, channels)
    values, cells = (ops.reshape(ops.stack(part), flat) for part in zip(*found, strict=True))
    return values, cells


def _doubled(found: Found, axis: int) -> list[Found]:
    """Maxima of 1, 2 and 4 windows beside each other."""
    levels = [found]
    for window in _LEVELS[:-1]:
        values, cells = found
        other = (
            _shifted(values, window, axis, _lowest(values)),
            _shifted(cells, window, axis, _NOWHERE),
        )
        better = _wins(other, found)
        found = ops.where(better, other[0], values), ops.where(better, other[1], cells)
        levels.append(found)
    return levels


def _wins(one: Found, other: Found) -> Any:
    """Whether one is larger, or as large and before the other."""
    earlier = ops.equal(one[0], other[0]) & (one[1] < other[1])
    return (one[0] > other[0]) | earlier


def _shifted(x: Any, by: int, axis: int, fill: float) -> Any:
    """Elements some positions behind each one."""
    margins = [(0, 0)] * 4
    margins[axis] = (0, by)
    x = ops.pad(x, margins, constant_values=fill)
    return x[:, by:] if axis == 1 else x[:, :, by:]


def _lowest(x: Any) -> float:
    return _LOWEST.get(keras.backend.standardize_dtype(x.dtype), _LOWEST_FLOAT32)
