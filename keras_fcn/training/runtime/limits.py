"""What a run leaves undone on a backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from keras_fcn.caffe.words import quoted
from keras_fcn.training.config import TrainingConfig

__all__ = ["within_backend"]

_TENSORFLOWS = ("saved_model", "litert")
"""Exports that TensorFlow makes, of models that run on it."""
_LEFT_OUT = {"exports": "saved_model/", "tensorboard": "tensorboard/"}
"""Option -> what its default would write."""


def within_backend(options: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The options of a run, without what its backend cannot do and nobody asked for.

    Args:
        options: those that were given, of `TrainingConfig`.

    Returns:
        They, and what is left undone, for people; None where nothing is.

    Raises:
        ValueError: it was asked for.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return dict(options), None
    asked = [name for name in _TENSORFLOWS if name in options.get("exports", ())]
    asked += ["tensorboard"] if options.get("tensorboard") else []
    if asked:
        raise ValueError(
            f"{' and '.join(asked)}: TensorFlow writes them, and the Keras backend is {backend}; "
            f"leave them out of {quoted('exports')} and {quoted('tensorboard')}, and export "
            "model.keras later with KERAS_BACKEND=tensorflow. "
            f"Received: {', '.join(f'{k}={options[k]!r}' for k in _LEFT_OUT if k in options)}"
        )
    defaults = TrainingConfig()
    own = {
        "exports": tuple(x for x in defaults.exports if x not in _TENSORFLOWS),
        "tensorboard": False,
    }
    left = " and no ".join(what for name, what in _LEFT_OUT.items() if name not in options)
    note = f"on {backend} there is no {left}, which TensorFlow writes" if left else None
    return {**own, **options}, note
