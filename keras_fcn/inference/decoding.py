"""Class scores to named predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from keras_fcn.preprocessing.data import imagenet_classes

__all__ = [
    "Detection",
    "MapPrediction",
    "Prediction",
    "decode_detections",
    "decode_predictions",
]


class Prediction(NamedTuple):
    """One class of one sample."""

    class_index: int
    name: str
    score: float


class MapPrediction(NamedTuple):
    """One class of one score map, and the position of the map where its score is highest."""

    class_index: int
    name: str
    score: float
    row: int
    column: int


class Detection(NamedTuple):
    """One thing that a detector found: its class, and its box in pixels of the image."""

    class_index: int
    name: str
    score: float
    left: float
    top: float
    right: float
    bottom: float


def decode_detections(
    rows: ArrayLike,
    size: tuple[int, ...],
    classes: Sequence[str] | None = None,
    *,
    option: Callable[[str], str] = str,
) -> list[Detection]:
    """Decode the detections of a network that ends in DetectionOutput, best first.

    Args:
        rows: `(detections, 7 or more)` of `keras_fcn.predict`: image, class, score, and left,
            top, right and bottom as shares of width and height.
        size: (height, width) of the image in pixels.
        classes: names, the background's included; None for numbers.
        option: what messages call an argument.

    Raises:
        ValueError: there are fewer names than classes.
    """
    rows = np.asarray(rows)
    height, width = size
    found = []
    for _, label, score, *box in rows[np.argsort(-rows[:, 2], kind="stable"), :7]:
        index = int(label)
        if classes is not None and index >= len(classes):
            raise ValueError(
                f"{option('classes')} must name each class, the background too. "
                f"Received: {len(classes)} names, and a box of class {index}"
            )
        name = f"class {index}" if classes is None else classes[index]
        corners = np.multiply(box, [width, height, width, height])
        found.append(Detection(index, name, float(score), *map(float, corners)))
    return found


def decode_predictions(
    preds: ArrayLike, top: int = 5, classes: Sequence[str] | None = None
) -> list[list[Prediction]] | list[list[MapPrediction]]:
    """The best classes of each sample, best first; of equal scores the lower index first.

    A fully convolutional net gives a map of scores a class: there the score of a class is its
    maximum over the map, and its place (of several, the first in row order) comes with it. The
    maxima of different classes stand at different positions, so they do not sum to one.

    Args:
        preds: scores `(N, classes)`, or maps of scores `(N, H, W, classes)`.
        top: how many classes a sample; all where there are fewer.
        classes: a name for each class; the 1000 of ImageNet by default.

    Returns:
        For each sample a list of `(class_index, name, score)`, for maps with `row, column` after.

    Raises:
        ValueError: another shape, another number of classes than names, or `top` below 1.
    """
    preds = np.asarray(preds)
    names = imagenet_classes() if classes is None else tuple(classes)
    if preds.ndim not in (2, 4) or preds.shape[-1] != len(names) or 0 in preds.shape[1:]:
        raise ValueError(
            f"`preds` must be (N, {len(names)}) or (N, H, W, {len(names)}): one score for each of "
            f"the {'names of ImageNet; pass' if classes is None else 'names in'} `classes`. "
            f"Received: preds of shape {preds.shape}"
        )
    if top < 1:
        raise ValueError(f"`top` must be at least 1. Received: {top}")
    if preds.ndim == 2:
        return [
            [Prediction(int(i), names[i], float(scores[i])) for i in _best(scores, top)]
            for scores in preds
        ]
    return [_decode_map(scores, top, names) for scores in preds]


def _decode_map(scores: np.ndarray, top: int, names: Sequence[str]) -> list[MapPrediction]:
    columns = scores.shape[1]
    cells = scores.reshape(-1, scores.shape[-1])
    places = cells.argmax(axis=0)
    best = _best(cells.max(axis=0), top)
    return [
        MapPrediction(int(i), names[i], float(cells[place, i]), *divmod(int(place), columns))
        for i, place in zip(best, places[best], strict=True)
    ]


def _best(scores: np.ndarray, top: int) -> np.ndarray:
    return np.argsort(-scores.astype(np.float64), kind="stable")[:top]
