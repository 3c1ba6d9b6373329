"""Two arrays compared: one home for how every comparison of blobs measures."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.records import dataclass

Array = npt.NDArray[Any]

SAME = 1e-5
"""Share of a blob's largest value by which float32 layers may differ."""
_NEAR = 1e-3
"""How near a detection is to its like, as a share of its largest value."""
_CHUNK = 1 << 22
"""Elements that are compared at once."""


@dataclass(frozen=True)
class Difference:
    """How far an array is from its reference.

    Attributes:
        largest: largest difference, as a share of `scale`.
        rms: root of the mean squared difference, as a share of `scale`.
        cosine: of the angle between the two as vectors.
        within: share of the entries that differ by at most the tolerance.
        scale: largest finite value of the reference; 1 where all are 0.
        spread: the reference's standard deviation, as a share of `scale`.
        place: index of the largest difference.
        not_finite: entries that are NaN or infinite in one of the two, and not the same in both.
        nan: entries that are NaN in both.
        infinite: entries that are the same infinity in both.
    """

    largest: float
    rms: float
    cosine: float
    within: float
    scale: float
    spread: float
    place: tuple[int, ...]
    not_finite: int = 0
    nan: int = 0
    infinite: int = 0

    @property
    def near(self) -> bool:
        """Whether whole networks may be so far apart: 1e-3 of the spread, or 1e-4 rms."""
        spread = self.spread or 1.0
        return not self.not_finite and (self.largest <= 1e-3 * spread or self.rms <= 1e-4 * spread)


def difference(ours: Array, theirs: Array, tolerance: float = SAME) -> Difference:
    """Compare two arrays of one shape.

    What is NaN, or the same infinity, in both is the same.

    Args:
        ours: an array.
        theirs: the reference.
        tolerance: of `within`, as a share of the reference's largest value.
    """
    count = theirs.size
    if not count:
        return Difference(0.0, 0.0, 1.0, 1.0, 1.0, 0.0, ())
    flat = np.ravel(ours), np.ravel(theirs)
    sums = np.zeros(6)  # of theirs, its squares, our squares, products, squared differences; count
    scale = _largest(flat[1]) or 1.0
    worst, place, off, odd, nan, infinite = -1.0, 0, 0, 0, 0, 0
    for start in range(0, count, _CHUNK):
        x, y = (np.asarray(a[start : start + _CHUNK], np.float64) for a in flat)
        finite = np.isfinite(x) & np.isfinite(y)
        same = finite | (x == y) | (np.isnan(x) & np.isnan(y))
        apart = np.where(finite, np.abs(np.where(finite, x, 0) - np.where(finite, y, 0)), 0.0)
        apart[~same] = np.inf
        index = int(apart.argmax())
        if apart[index] > worst:
            worst, place = float(apart[index]), start + index
        off += int((apart > tolerance * scale).sum())
        odd += int((~same).sum())
        nan += int((same & np.isnan(x)).sum())
        infinite += int((same & np.isinf(x)).sum())
        x, y, apart = x[finite], y[finite], apart[finite]
        sums += np.array([y.sum(), y @ y, x @ x, x @ y, apart @ apart, y.size])
    number = sums[5] or 1.0
    lengths = np.sqrt(sums[1] * sums[2])
    variance = max(sums[1] / number - (sums[0] / number) ** 2, 0.0)
    equal = sums[1] == sums[2] == 0 or worst == 0
    return Difference(
        largest=worst / scale,
        rms=float("inf") if odd else float(np.sqrt(sums[4] / number)) / scale,
        cosine=1.0 if equal else float(sums[3] / lengths) if lengths else 0.0,
        within=1 - off / count,
        scale=scale,
        spread=float(np.sqrt(variance)) / scale,
        place=tuple(map(int, np.unravel_index(place, theirs.shape))),
        not_finite=odd,
        nan=nan,
        infinite=infinite,
    )


def _largest(values: Array) -> float:
    """The largest finite magnitude."""
    if not values.size:
        return 0.0
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        values = values[np.isfinite(values)]
        low, high = float(values.min(initial=0)), float(values.max(initial=0))
    return max(abs(low), abs(high))


def are_detections(array: Array) -> bool:
    """Whether a blob is a list of detections: image, label, score and a box each."""
    listed = array.ndim == 4 and array.shape[:2] == (1, 1) and array.shape[3] == 7
    return listed and not np.any(array[..., :2] % 1)  # else it is a map of this width


class Paired(NamedTuple):
    """Two lists of detections, each with its like in the other.

    Attributes:
        apart: the share of detections that the other list does not have.
        ours: (N, 7), those that both have.
        theirs: (N, 7), their likes.
    """

    apart: float
    ours: Array
    theirs: Array


def paired(ours: Array, theirs: Array) -> Paired:
    """Find the like of each detection, (N, 7), in the other list.

    Lists may swap or lose entries at equal scores, and at thresholds.
    """
    ours, theirs = ours.reshape(-1, 7), theirs.reshape(-1, 7)
    likes = [_like(row, theirs) for row in ours]
    pairs = [(row, like) for row, like in zip(ours, likes, strict=True) if like is not None]
    alone = len(ours) - len(pairs) + sum(_like(row, ours) is None for row in theirs)
    both = np.array(pairs, np.float64).reshape(-1, 2, 7)
    return Paired(alone / max(len(ours) + len(theirs), 1), both[:, 0], both[:, 1])


def detections_apart(ours: Array, theirs: Array) -> float:
    """The share of detections, (N, 7), that the other list does not have: see `paired`."""
    return paired(ours, theirs).apart


def _like(row: Array, rows: Array) -> Array | None:
    """The nearest detection of the same image and label; None where none is near."""
    same = rows[(rows[:, :2] == row[:2]).all(axis=1)]
    with np.errstate(invalid="ignore"):  # of the same infinity
        distances = np.abs(same - row)
    distances[(same == row) | (np.isnan(same) & np.isnan(row))] = 0
    distances = np.nan_to_num(distances, nan=np.inf).max(axis=1, initial=0)
    largest = float(np.abs(row[np.isfinite(row)]).max(initial=1))
    near = distances <= _NEAR * largest
    return same[distances.argmin()] if near.any() else None
