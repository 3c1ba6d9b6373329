"""What becomes of a network's outputs in a file of lower precision."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from keras_fcn.engines.differences import are_detections, detections_apart
from keras_fcn.errors import plain_reason
from keras_fcn.exporting.litert_operators import with_layer
from keras_fcn.exporting.running import Run, run_litert
from keras_fcn.graph.ends import output_names
from keras_fcn.inference.structure import ends_in_labels
from keras_fcn.inference.tasks import find_task

__all__ = ["Change", "changes", "judge"]

Array = npt.NDArray[Any]

_MUCH = 0.05
"""The share of a change from which on it is warned of."""
_USELESS = 0.5
"""The share from which on there is nothing left of the network."""


@dataclass
class Change:
    """How far an output is from the model's.

    Attributes:
        output: its name.
        what: what is counted: labels, detections or values.
        changed: how many labels or detections are others.
        total: how many there are.
        apart: the sum of all values' differences.
        sizes: the sum of their sizes; 0 where these say nothing, as of labels.
        worst: the largest difference.
        largest: the largest value.
    """

    output: str
    what: str
    changed: float = 0.0
    total: float = 0.0
    apart: float = 0.0
    sizes: float = 0.0
    worst: float = 0.0
    largest: float = 0.0

    @property
    def average(self) -> float:
        """Differences of the values as a share of their sizes."""
        return self.apart / self.sizes if self.sizes else float(self.apart > 0)

    @property
    def share(self) -> float:
        """What is warned of: labels or detections that are others, else the average difference."""
        if self.what == "values":
            return self.average
        return self.changed / self.total if self.total else 0.0

    @property
    def is_useless(self) -> bool:
        """Whether nothing is left; one label or detection may be a near tie."""
        return self.average > _USELESS or (self.share > _USELESS and self.changed > 1)

    def __str__(self) -> str:
        counted = {
            "labels": f"{self.share:.2%} of {self.total:.0f} labels changed, ",
            "detections": f"{self.share:.2%} of {self.total:.0f} detections have none like them, ",
        }.get(self.what, "")
        apart = ""
        if self.largest:
            apart = (
                f"values differ on average by {self.average:.2%} of their average size and at most "
                f"by {self.worst / self.largest:.2%} of the largest"
            )
        return f"output {self.output!r}: {counted}{apart}".rstrip(", ")

    def add(self, found: Array, wanted: Array, path: Path) -> None:
        """Count one more output.

        Raises:
            CaffeError: it has another shape than it should, or values that are no numbers.
        """
        if are_detections(found) and are_detections(wanted):
            self.what, count = "detections", max(found.shape[2], wanted.shape[2])
            self.changed += detections_apart(found, wanted) * count
            self.total += count
            return
        if found.shape != wanted.shape:
            raise CaffeError(
                f"{path} is not written: output {self.output!r} has shape {found.shape} in LiteRT, "
                f"and {wanted.shape} in Keras"
            )
        bad = int(np.count_nonzero(~np.isfinite(found) & np.isfinite(wanted)))
        if bad:
            raise CaffeError(
                f"{path} is not written: output {self.output!r} has {bad} values in LiteRT "
                "that are no numbers; take a higher precision"
            )
        with np.errstate(invalid="ignore"):  # the same infinity
            apart = np.abs(np.where(found == wanted, 0, found - wanted))
        if self.what == "labels":
            gives_labels = wanted.shape[-1] == 1
            labels = apart != 0 if gives_labels else np.argmax(found, -1) != np.argmax(wanted, -1)
            self.changed, self.total = self.changed + int(labels.sum()), self.total + labels.size
            if gives_labels:
                return
        self.apart += float(apart.sum(dtype=np.float64))
        self.sizes += float(np.abs(wanted).sum(dtype=np.float64))
        self.worst = max(self.worst, float(apart.max(initial=0)))
        self.largest = max(self.largest, float(np.abs(wanted).max(initial=0)))


def changes(
    model: keras.Model, file: Path, reference: Run, inputs: Iterable[Any], path: Path
) -> list[Change]:
    """How far a file's outputs are from a model's.

    Args:
        model: the network.
        file: what was written.
        reference: the model.
        inputs: arrays of images, or lists of all inputs.
        path: what it is to be called.

    Raises:
        CaffeError: it does not run, gives outputs of other shapes, or values that are none.
    """
    found = [Change(name, what) for name, what in _kinds(model)]
    run = run_litert(file, model)
    for fed in inputs:
        given = fed if isinstance(fed, list) else [fed]
        try:
            outputs = run(given)
        except Exception as error:  # LiteRT's errors have no common class
            raise CaffeError(
                f"{path} is not written: LiteRT does not run it: "
                + with_layer(plain_reason(error), file, model)
            ) from error
        for change, output, wanted in zip(found, outputs, reference(given), strict=True):
            change.add(np.asarray(output, np.float32), np.asarray(wanted, np.float32), path)
    return found


def _kinds(model: keras.Model) -> Iterator[tuple[str, str]]:
    scores = len(model.outputs) == 1 and find_task(model).kind in ("classes", "map")
    for name, tensor in zip(output_names(model), model.outputs, strict=True):
        classes = scores and len(tensor.shape) in (2, 4)
        labels = classes and (ends_in_labels(model) or (tensor.shape[-1] or 0) > 1)
        yield name, "labels" if labels else "values"


def judge(found: Sequence[Change], path: Path, precision: str) -> None:
    """Warn of a file whose outputs are far from the model's.

    Raises:
        CaffeError: so far that it is useless.
    """
    for change in found:
        if change.is_useless:
            raise CaffeError(
                f"{path} is not written: with precision {precision} nothing is left of the "
                f"network: {change}; take a higher precision"
            )
        if change.share > _MUCH:
            warnings.warn(
                f"{path}: precision {precision} costs much: {change}", CaffeWarning, stacklevel=4
            )
