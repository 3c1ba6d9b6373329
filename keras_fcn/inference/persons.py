"""Peaks of parts joined to persons, along the vectors that a network gives for limbs.

Source: Cao, Simon, Wei and Sheikh, "Realtime Multi-Person 2D Pose Estimation using Part Affinity
Fields", 2017, sections 2.3 and 2.4; the numbers are those of the authors' demo.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_fcn.inference.parts import Limb

__all__ = ["persons_of"]

_SAMPLES = 10
_ALONG = 0.05
_MOST_ALONG = 0.8
_LEAST_PARTS = 3

Peak = tuple[int, int]
"""A part, and which of its peaks."""


def persons_of(
    peaks: Sequence[np.ndarray], maps: np.ndarray, limbs: Sequence[Limb]
) -> list[list[int | None]]:
    """The person whose part each peak is.

    Args:
        peaks: for each part (peaks, 3): score, row and column on the map.
        maps: (rows, columns, channels) of the network.
        limbs: which parts are joined, and by which maps.

    Returns:
        For each part the persons of its peaks, numbers from 0 on in the order of their scores;
        None for a peak of less than three that belong together.
    """
    persons: list[dict[int, int]] = []
    for limb in limbs:
        for first, second in _joined(peaks[limb.start], peaks[limb.end], maps, limb):
            _join(persons, (limb.start, first), (limb.end, second), new=limb.drawn)
    whole = [x for x in persons if len(x) >= _LEAST_PARTS]
    whole.sort(key=lambda x: -sum(peaks[part][index, 0] for part, index in x.items()))
    numbers: list[list[int | None]] = [[None] * len(each) for each in peaks]
    for number, person in enumerate(whole):
        for part, index in person.items():
            numbers[part][index] = number
    return numbers


def _joined(
    starts: np.ndarray, ends: np.ndarray, maps: np.ndarray, limb: Limb
) -> list[tuple[int, int]]:
    """The pairs of peaks that a limb joins, the best first, each peak in one at most."""
    scores = _scores(starts[:, 1:], ends[:, 1:], maps, limb)
    pairs: list[tuple[int, int]] = []
    for place in np.argsort(-scores, axis=None, kind="stable"):
        first, second = (int(x) for x in np.unravel_index(place, scores.shape))
        if scores[first, second] <= 0:
            break
        if all(first != a and second != b for a, b in pairs):
            pairs.append((first, second))
    return pairs


def _scores(starts: np.ndarray, ends: np.ndarray, maps: np.ndarray, limb: Limb) -> np.ndarray:
    """How well the field lies along the line between each start and each end; 0: not at all."""
    lines = ends[np.newaxis] - starts[:, np.newaxis]
    lengths = np.linalg.norm(lines, axis=-1)
    units = lines / np.maximum(lengths, 1e-9)[..., np.newaxis]
    shares = np.linspace(0, 1, _SAMPLES)[:, np.newaxis]
    points = starts[:, np.newaxis, np.newaxis] + shares * lines[:, :, np.newaxis]
    field = maps[..., [limb.field + 1, limb.field]]  # down and across, as points are
    along = (_at(field, points) * units[:, :, np.newaxis]).sum(axis=-1)
    # Lines of more than half the map's height lose.
    scores = along.mean(axis=-1) + np.minimum(0.5 * len(maps) / np.maximum(lengths, 1e-9) - 1, 0)
    close = (along > _ALONG).mean(axis=-1) >= _MOST_ALONG
    return np.where(close & (lengths > 0), np.maximum(scores, 0), 0)


def _at(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values of a map at fractional rows and columns (..., 2), bilinear."""
    last = np.array(field.shape[:2]) - 1
    low = np.clip(np.floor(points).astype(int), 0, last)
    down, across = np.moveaxis(np.clip(points - low, 0, 1), -1, 0)[..., np.newaxis]
    (top, left), (bottom, right) = (np.moveaxis(x, -1, 0) for x in (low, np.minimum(low + 1, last)))
    upper = field[top, left] * (1 - across) + field[top, right] * across
    lower = field[bottom, left] * (1 - across) + field[bottom, right] * across
    return np.asarray(upper * (1 - down) + lower * down)


def _join(persons: list[dict[int, int]], start: Peak, end: Peak, new: bool) -> None:
    """Let two peaks be of one person: persons meet, grow, or, where `new`, are there from now."""
    having = [x for x in persons if any(x.get(part) == index for part, index in (start, end))]
    if len(having) == 2 and not having[0].keys() & having[1].keys():
        having[0].update(having[1])
        persons.remove(having[1])
    elif len(having) == 1:
        for part, index in (start, end):
            having[0].setdefault(part, index)
    elif not having and new:
        persons.append(dict([start, end]))
