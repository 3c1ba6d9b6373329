"""Names of losses; without Keras, as the command line needs them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["LOSSES", "OPTIONS", "is_loss", "loss_terms"]

LOSSES = ("cross_entropy", "focal", "dice", "lovasz", "ohem")
"""Those of `keras_fcn.training.loss_choice`."""

OPTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "normalization": ("normalization", ("cross_entropy", "focal", "ohem")),
    "focal_gamma": ("gamma", ("focal",)),
    "ohem_threshold": ("threshold", ("ohem",)),
    "ohem_min_kept": ("min_kept", ("ohem",)),
    "dice_smoothing": ("smoothing", ("dice",)),
}
"""Field of `TrainingConfig` -> the argument that it is of these losses."""


def loss_terms(loss: str) -> dict[str, float]:
    """`cross_entropy+0.5*dice` as name -> factor.

    Raises:
        ValueError: an unknown name, one that is there twice, or a factor that is not above 0.
    """
    terms: dict[str, float] = {}
    for term in loss.split("+"):
        factor, times, name = (part.strip() for part in term.rpartition("*"))
        number = float(factor) if times else 1.0
        if name not in LOSSES or name in terms or not 0 < number < math.inf:
            raise ValueError(term)
        terms[name] = number
    return terms


def is_loss(loss: Any) -> bool:
    """Whether it is a sum of losses by name, or a function."""
    if not isinstance(loss, str):
        return callable(loss)
    try:
        return bool(loss_terms(loss))
    except ValueError:
        return False
