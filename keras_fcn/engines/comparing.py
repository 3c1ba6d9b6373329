"""Made-up inputs of a network, and what it gives for them in two programs, compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.engines.differences import are_detections, detections_apart

__all__ = ["TOLERANCE", "difference", "made_up"]

Array = npt.NDArray[Any]

TOLERANCE = 1e-4
"""Of a blob's largest value."""
_NEAR_TIES = 1e-3
"""The share of labels that may differ: rounding decides between near ties."""
_OTHERS = 0.05
"""The share of detections that may have none like them: again near ties."""


def made_up(shape: Sequence[int], rng: np.random.Generator) -> Array:
    """An array for an input, in Caffe's axis order."""
    # Maps of one channel may be labels, of which there is one class at least.
    images = len(shape) == 4 and shape[1] > 1
    array = rng.uniform(-100 if images else 0, 100 if images else 1, tuple(shape))
    return array.astype(np.float32)


def difference(
    name: str,
    found: Array,
    expected: Array,
    *,
    place: str,
    engine: str = "onnxruntime",
    reference: str = "Keras",
    advice: str = "do not use the file",
    ties: bool = False,
    tolerance: float = TOLERANCE,
) -> float:
    """The largest difference of an output, as a share of its largest value; of ties their share.

    Args:
        name: the output's.
        found: what the engine gives.
        expected: what it should be.
        place: what is compared, for messages.
        engine: whose numbers are looked at.
        reference: whose are right.
        advice: what to do where they differ.
        ties: whether rounding may decide between near ties, as where values are put back to
            where the largest ones were; it always may where all numbers are whole: labels.
        tolerance: of the output's largest value.

    Raises:
        CaffeError: they are further apart than rounding explains.
    """
    if are_detections(found) and are_detections(expected):
        share = detections_apart(found, expected)
        if share > _OTHERS:
            raise CaffeError(
                f"{place}: of the {found.shape[2]} detections of output {name!r} in {engine} and "
                f"the {expected.shape[2]} in {reference} {share:.0%} are not in the other list; "
                f"{advice}"
            )
        return share
    if found.shape != expected.shape:
        raise CaffeError(
            f"{place}: output {name!r} has shape {found.shape} in {engine}, and {expected.shape} "
            f"in {reference}; {advice}"
        )
    if not found.size:
        return 0.0
    finite = np.isfinite(expected)
    largest = float(np.abs(expected[finite]).max(initial=0.0)) or 1.0
    with np.errstate(invalid="ignore"):
        apart = np.where(finite, np.abs(found - expected), (found != expected) * largest)
    apart = np.where(np.isnan(apart), np.inf, apart)  # a number that is none in the one alone
    apart[np.isnan(found) & np.isnan(expected)] = 0
    worst = float(apart.max()) / largest
    off = float(np.mean(apart > tolerance * largest))
    ties = ties or not np.any(expected[finite] % 1)
    if off > (_NEAR_TIES if ties else 0):
        possessive = f"{reference}'" if reference.endswith("s") else f"{reference}'s"
        where = np.unravel_index(int(apart.argmax()), apart.shape)
        raise CaffeError(
            f"{place}: output {name!r} in {engine} differs from {possessive} at "
            f"{tuple(map(int, where))}: "
            f"{found[where]:.7g}, expected {expected[where]:.7g}; {advice}"
        )
    return worst if off == 0 else off
