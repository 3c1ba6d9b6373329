"""Agreement of labels: a confusion matrix, batch by batch.

What it says, and the policy for absent classes: see `SegmentationResult` and its module.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from keras_fcn.training.results import SegmentationResult

__all__ = ["SegmentationMetrics", "SegmentationResult", "confusion_matrix"]


def confusion_matrix(
    labels: ArrayLike, predictions: ArrayLike, classes: int, ignore_index: int = 255
) -> np.ndarray:
    """Pixels by label (row) and prediction (column).

    Args:
        labels: integers of any shape: class indices, or `ignore_index`.
        predictions: integers of the same shape: class indices; where the label is ignored,
            anything.
        classes: how many there are.
        ignore_index: label of the pixels that do not count.

    Returns:
        int64 `(classes, classes)`.

    Raises:
        ValueError: the shapes differ, or an index is no class.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape:
        raise ValueError(
            f"labels and predictions must have one shape. Received: {labels.shape} and "
            f"{predictions.shape}"
        )
    counted = labels != ignore_index
    pair = [values[counted].astype(np.int64) for values in (labels, predictions)]
    for name, values in zip(("labels", "predictions"), pair, strict=True):
        if values.size and not 0 <= values.min() <= values.max() < classes:
            raise ValueError(
                f"{name} must be class indices 0..{classes - 1}, labels also {ignore_index}. "
                f"Received: {name} from {values.min()} to {values.max()}"
            )
    places = pair[0] * classes + pair[1]
    return np.bincount(places, minlength=classes**2).reshape(classes, classes)


class SegmentationMetrics:
    """Counts pixels, batch by batch.

    Args:
        classes: names, in the order of their indices.
        ignore_index: label of the pixels that do not count.

    Example:
        ```python
        metrics = SegmentationMetrics(val.classes, val.ignore_index)
        for image, labels in val:
            metrics.update(labels, keras_fcn.segment(model, image))
        print(metrics.result())
        ```
    """

    def __init__(self, classes: Sequence[str], ignore_index: int = 255) -> None:
        self.classes = tuple(classes)
        self.ignore_index = ignore_index
        self.confusion = np.zeros((len(self.classes), len(self.classes)), np.int64)

    def update(self, labels: ArrayLike, predictions: ArrayLike) -> None:
        """Adds pixels; see `confusion_matrix`.

        Raises:
            ValueError: the shapes differ, or an index is no class.
        """
        count = len(self.classes)
        self.add(confusion_matrix(labels, predictions, count, self.ignore_index))

    def add(self, confusion: ArrayLike) -> None:
        """Adds pixels that are counted already, `(classes, classes)`."""
        self.confusion += np.asarray(confusion, np.int64)

    def result(self) -> SegmentationResult:
        """The figures of all pixels so far."""
        return SegmentationResult(self.classes, self.confusion.copy())
