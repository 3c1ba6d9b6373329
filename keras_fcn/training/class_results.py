"""Results of labels of whole images: accuracy, of each class too, and the confusion."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from keras_fcn.text_tables import html_table, text_table
from keras_fcn.training.results import SegmentationResult, as_json, as_text, mean, ratios

__all__ = ["TOP", "ClassificationResult", "Result", "hits_among_best", "result_of"]

TOP = 5
_TITLES = ("class", "accuracy", "precision", "images")
_SHOWN = 10


@dataclass(frozen=True, eq=False)
class ClassificationResult:
    """Results of images with one label each; NaN where there is nothing to count.

    Attributes:
        classes: their names.
        confusion: int64 `(classes, classes)`, images by label (row) and prediction (column).
        top_hits: how many images have their label among the five best; of up to five classes, all.
    """

    classes: tuple[str, ...]
    confusion: np.ndarray
    top_hits: int

    @property
    def accuracy(self) -> float:
        """Share of the images whose best class is their label."""
        return float(ratios(np.trace(self.confusion), self.confusion.sum()))

    @property
    def top_5_accuracy(self) -> float:
        """Share of the images whose label is among the five best."""
        return float(ratios(self.top_hits, self.confusion.sum()))

    @property
    def class_accuracy(self) -> np.ndarray:
        """Share of each class's images that is found, float64 `(classes,)`; NaN without images."""
        return ratios(np.diagonal(self.confusion), self.confusion.sum(axis=1))

    @property
    def precision(self) -> np.ndarray:
        """Share of what is taken for each class that is of it; NaN where nothing is."""
        return ratios(np.diagonal(self.confusion), self.confusion.sum(axis=0))

    @property
    def mean_class_accuracy(self) -> float:
        """Mean of `class_accuracy` over the classes that have images."""
        return mean(self.class_accuracy)

    @property
    def headline(self) -> str:
        """The figure that tells most, in words."""
        return f"accuracy {self.accuracy:.4f}"

    def summary(self) -> dict[str, float]:
        """The figures of the whole: name -> value; the five best only of more classes."""
        names = ["accuracy", "mean_class_accuracy"]
        names += ["top_5_accuracy"] if len(self.classes) > TOP else []
        return {name: getattr(self, name) for name in names}

    def to_dict(self) -> dict[str, Any]:
        """All figures and the matrix, as values that JSON knows; NaN becomes None."""
        columns = (self.classes, self.class_accuracy, self.precision, self.confusion.sum(axis=1))
        return {
            **{name: as_json(value) for name, value in self.summary().items()},
            "top_hits": self.top_hits,
            "classes": [
                {
                    "name": name,
                    "accuracy": as_json(accuracy),
                    "precision": as_json(precision),
                    "images": int(images),
                }
                for name, accuracy, precision, images in zip(*columns, strict=True)
            ],
            "confusion": self.confusion.tolist(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        names = tuple(row["name"] for row in values["classes"])
        return cls(names, np.array(values["confusion"], np.int64), int(values["top_hits"]))

    def files(self) -> dict[str, str]:
        """Files beside the table and the JSON: name -> text.

        `confusion.csv` has a row a label, a column a prediction.
        """
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["label", *self.classes])
        rows = zip(self.classes, self.confusion.tolist(), strict=True)
        writer.writerows([name, *row] for name, row in rows)
        return {"confusion.csv": text.getvalue()}

    def __repr__(self) -> str:
        return f"<ClassificationResult of {len(self.classes)} classes: {self.headline}>"

    def __str__(self) -> str:
        """The table of the classes, the figures of the whole, and what is confused most."""
        table = text_table([_TITLES, *self._rows()], right=[1, 2, 3])
        pairs = [f"{name} taken for {said}: {count}" for name, said, count in self.confused()]
        if not pairs:
            return table
        more = ["..."] if len(pairs) > _SHOWN else []
        return "\n".join([table, "confused most:", *(f"  {x}" for x in [*pairs[:_SHOWN], *more])])

    def confused(self) -> list[tuple[str, str, int]]:
        """What is taken for what, most often first: label, prediction, images."""
        wrong = self.confusion - np.diag(np.diagonal(self.confusion))
        order = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
        places = zip(*np.unravel_index(order, wrong.shape), strict=True)
        return [(self.classes[i], self.classes[j], int(wrong[i, j])) for i, j in places]

    def _repr_html_(self) -> str:
        return html_table(self._rows(), _TITLES)

    def _rows(self) -> list[tuple[str, ...]]:
        columns = (self.classes, self.class_accuracy, self.precision, self.confusion.sum(axis=1))
        rows = [
            (name, as_text(accuracy), as_text(precision), str(images))
            for name, accuracy, precision, images in zip(*columns, strict=True)
        ]
        means = (self.mean_class_accuracy, mean(self.precision))
        total = str(self.confusion.sum())
        return [
            *rows,
            ("mean", *map(as_text, means), total),
            ("all images", as_text(self.accuracy), "", ""),
            *(
                [("among the 5 best", as_text(self.top_5_accuracy), "", "")]
                if len(self.classes) > TOP
                else []
            ),
        ]


def hits_among_best(scores: np.ndarray, labels: np.ndarray, top: int = TOP) -> int:
    """How many labels are among the best; of equal scores the lower index is the better.

    Args:
        scores: `(N, classes)`.
        labels: `(N,)`.
        top: how many are the best.
    """
    own = np.take_along_axis(scores, labels[:, np.newaxis], axis=1)
    lower = np.arange(scores.shape[1]) < labels[:, np.newaxis]
    better = ~(scores <= own) | ((scores == own) & lower)
    return int((better.sum(axis=1) < top).sum())


Result = ClassificationResult | SegmentationResult


def result_of(values: dict[str, Any]) -> Result:
    """The result that `to_dict` of either kind describes."""
    kind = ClassificationResult if "top_hits" in values else SegmentationResult
    return kind.from_dict(values)
