"""What a run is asked for, as values that JSON knows and that are the same in every process."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import keras
import numpy as np

from keras_fcn.core.card import card_of
from keras_fcn.datasets import LabelledImages
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.training.config import TrainingConfig
from keras_fcn.training.described import described

__all__ = ["MAY_CHANGE", "asked_of_data", "asked_of_model", "differences"]

MAY_CHANGE = frozenset({"exports", "samples", "tensorboard", "save_every", "on_bad_pair"})
"""Options that do not change what is trained: a run goes on with others."""


def asked_of_model(model: keras.Model) -> dict[str, Any]:
    """Sections of settings of the network that tell one run from another."""
    return {
        "model": {"name": model.name, "parameters": model.count_params()},
        "preprocessing": _readable(card_of(model).preprocessing),
    }


def asked_of_data(train: LabelledImages, val: LabelledImages, augmentation: Any) -> dict[str, Any]:
    """Settings of the data that tell one run from another."""
    return {
        "classes": list(train.classes),
        "train": [train.name, len(train)],
        "val": [val.name, len(val)],
        "preprocessing": _readable(train.preprocessing),
        "augmentation": described(augmentation),
    }


def _readable(preprocessing: Preprocessing | None) -> dict[str, Any] | None:
    """A preprocessing for people; a mean image by its size and hash."""
    if preprocessing is None:
        return None
    mean, config = preprocessing.mean, preprocessing.to_config()
    if isinstance(mean, np.ndarray):
        size = "x".join(map(str, mean.shape))
        config["mean"] = f"image {size}, sha256 {hashlib.sha256(mean.tobytes()).hexdigest()}"
    return config


def differences(section: str, new: Any, old: Any) -> list[Any]:
    """What keeps a run from going on in a section of its settings: (name, new, old)."""
    if section == "options":
        defaults = json.loads(json.dumps(TrainingConfig().to_dict()))  # of options that are newer
        old = defaults | dict(old)
        keep = MAY_CHANGE | ({"epochs"} if new["epochs"] >= old["epochs"] else set())
        new, old = ({k: v for k, v in side.items() if k not in keep} for side in (new, old))
    flat_new, flat_old = _flat(new, section), _flat(old, section)
    return [
        (name, flat_new.get(name), flat_old.get(name))
        for name in sorted(flat_new | flat_old)
        if flat_new.get(name) != flat_old.get(name)
    ]


def _flat(values: Any, name: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        return {name: values}
    parts = (_flat(value, f"{name}.{key}") for key, value in values.items())
    return {key: value for part in parts for key, value in part.items()} or {name: {}}
