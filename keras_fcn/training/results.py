"""Results of a confusion matrix: per-class IoU, mean IoU, pixel and class accuracy.

One policy for absent classes, everywhere: a class that has pixels neither in the labels nor in
the predictions has no IoU (NaN, in JSON null) and is left out of the mean. A class that is
predicted but not there has IoU 0; its accuracy, a share of nothing, is NaN and left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from keras_fcn.text_tables import html_table, text_table

__all__ = ["SegmentationResult", "as_json", "as_text", "mean", "ratios"]

_TITLES = ("class", "IoU", "accuracy", "pixels")


@dataclass(frozen=True, eq=False)
class SegmentationResult:
    """Results of a confusion matrix; see the module for classes that are absent.

    Attributes:
        classes: their names.
        confusion: int64 `(classes, classes)`, pixels by label (row) and prediction (column).
    """

    classes: tuple[str, ...]
    confusion: np.ndarray

    @property
    def iou(self) -> np.ndarray:
        """Intersection over union of each class, float64 `(classes,)`; NaN where absent."""
        hits = np.diagonal(self.confusion)
        return ratios(hits, self.label_pixels + self.predicted_pixels - hits)

    @property
    def class_accuracy(self) -> np.ndarray:
        """Share of each class's pixels that is found, float64 `(classes,)`; NaN where none are."""
        return ratios(np.diagonal(self.confusion), self.label_pixels)

    @property
    def mean_iou(self) -> float:
        """Mean of `iou` over the classes that have one; NaN where none has."""
        return mean(self.iou)

    @property
    def mean_class_accuracy(self) -> float:
        """Mean of `class_accuracy` over the classes that have one; NaN where none has."""
        return mean(self.class_accuracy)

    @property
    def pixel_accuracy(self) -> float:
        """Share of all pixels that is right; NaN where there are none."""
        return float(ratios(np.trace(self.confusion), self.confusion.sum()))

    @property
    def frequency_weighted_iou(self) -> float:
        """Mean of `iou` weighted by each class's pixels in the labels; NaN without pixels."""
        pixels = self.label_pixels
        there = pixels > 0
        return float(ratios((self.iou[there] * pixels[there]).sum(), pixels.sum()))

    @property
    def label_pixels(self) -> np.ndarray:
        """Pixels of each class in the labels, int64 `(classes,)`."""
        return np.asarray(self.confusion.sum(axis=1))

    @property
    def predicted_pixels(self) -> np.ndarray:
        """Pixels of each class in the predictions, int64 `(classes,)`."""
        return np.asarray(self.confusion.sum(axis=0))

    @property
    def headline(self) -> str:
        """The figure that tells most, in words."""
        return f"mean IoU {self.mean_iou:.4f}"

    def files(self) -> dict[str, str]:
        """Files beside the table and the JSON: none."""
        return {}

    def summary(self) -> dict[str, float]:
        """The figures of the whole: name -> value, NaN where there is none."""
        names = ("mean_iou", "pixel_accuracy", "mean_class_accuracy", "frequency_weighted_iou")
        return {name: getattr(self, name) for name in names}

    def to_dict(self) -> dict[str, Any]:
        """All figures and the matrix, as values that JSON knows; NaN becomes None."""
        rows = zip(
            self.classes,
            self.iou,
            self.class_accuracy,
            self.label_pixels,
            self.predicted_pixels,
            strict=True,
        )
        return {
            **{name: as_json(value) for name, value in self.summary().items()},
            "classes": [
                {
                    "name": name,
                    "iou": as_json(iou),
                    "accuracy": as_json(accuracy),
                    "label_pixels": int(pixels),
                    "predicted_pixels": int(predicted),
                }
                for name, iou, accuracy, pixels, predicted in rows
            ],
            "confusion": self.confusion.tolist(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        names = tuple(row["name"] for row in values["classes"])
        return cls(names, np.array(values["confusion"], np.int64))

    def __repr__(self) -> str:
        return (
            f"<SegmentationResult of {len(self.classes)} classes: "
            f"mean IoU {as_text(self.mean_iou)}, pixel accuracy {as_text(self.pixel_accuracy)}>"
        )

    def __str__(self) -> str:
        """The table of the classes, and the figures of the whole; `-` where there is none."""
        return text_table([_TITLES, *self._rows()], right=[1, 2, 3])

    def _repr_html_(self) -> str:
        return html_table(self._rows(), _TITLES)

    def _rows(self) -> list[tuple[str, ...]]:
        columns = zip(self.classes, self.iou, self.class_accuracy, self.label_pixels, strict=True)
        means = ("mean", self.mean_iou, self.mean_class_accuracy, self.confusion.sum())
        return [
            *(
                (name, as_text(iou), as_text(acc), str(n))
                for name, iou, acc, n in (*columns, means)
            ),
            ("pixel accuracy", "", as_text(self.pixel_accuracy), ""),
        ]


def ratios(parts: Any, wholes: Any) -> np.ndarray:
    """Parts of wholes, float64; NaN where the whole is nothing."""
    wholes = np.asarray(wholes, np.float64)
    ratios = np.full(wholes.shape, np.nan)
    np.divide(parts, wholes, out=ratios, where=wholes > 0)
    return ratios


def mean(values: np.ndarray) -> float:
    """The mean of what is known, that is, not NaN; NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def as_json(value: float) -> float | None:
    """A figure as JSON knows it."""
    return None if math.isnan(value) else float(value)


def as_text(value: float) -> str:
    """A figure for tables."""
    return "-" if math.isnan(value) else f"{value:.3f}"
