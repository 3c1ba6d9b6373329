"""What a run is asked for, as values that JSON knows and that are the same in every process."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from typing import Any

import keras
import numpy as np

from keras_fcn.core.card import card_of
from keras_fcn.datasets import SegmentationDataset
from keras_fcn.preprocessing import Preprocessing

__all__ = ["asked_of_data", "asked_of_model"]


def asked_of_model(model: keras.Model) -> dict[str, Any]:
    """Sections of settings of the network that tell one run from another."""
    return {
        "model": {"name": model.name, "parameters": model.count_params()},
        "preprocessing": _readable(card_of(model).preprocessing),
    }


def asked_of_data(
    train: SegmentationDataset, val: SegmentationDataset, augmentation: Any
) -> dict[str, Any]:
    """Settings of the data that tell one run from another."""
    return {
        "classes": list(train.classes),
        "train": [train.name, len(train)],
        "val": [val.name, len(val)],
        "preprocessing": _readable(train.preprocessing),
        "augmentation": _described(augmentation),
    }


def _described(function: Any) -> Any:
    """A function, or an object that is called, as values that JSON knows and that stay the same."""
    if function is None:
        return None
    if dataclasses.is_dataclass(function) and not isinstance(function, type):
        return {"name": type(function).__name__, **dataclasses.asdict(function)}
    if isinstance(function, functools.partial):
        arguments = [*map(repr, function.args)]
        arguments += [f"{name}={value!r}" for name, value in function.keywords.items()]
        return {"name": _described(function.func), "arguments": arguments}
    return getattr(function, "__qualname__", type(function).__qualname__)


def _readable(preprocessing: Preprocessing | None) -> dict[str, Any] | None:
    """A preprocessing for people; a mean image by its size and hash."""
    if preprocessing is None:
        return None
    mean, config = preprocessing.mean, preprocessing.to_config()
    if isinstance(mean, np.ndarray):
        size = "x".join(map(str, mean.shape))
        config["mean"] = f"image {size}, sha256 {hashlib.sha256(mean.tobytes()).hexdigest()}"
    return config
