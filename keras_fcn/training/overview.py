"""What a run begins with, in one table: weights loaded, new and frozen, classes and images."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_fcn.core.card import card_of
from keras_fcn.core.leaves import leaves
from keras_fcn.core.loaded import is_new, origin
from keras_fcn.datasets import LabelledImages
from keras_fcn.inference.preparation import describe
from keras_fcn.text_tables import text_table
from keras_fcn.training.config import TrainingConfig
from keras_fcn.training.loss_names import OPTIONS as LOSS_OPTIONS

__all__ = ["disk_note", "overview"]

_SHOWN = 4
_NO_FILE = "no file that is known: weights are as the model has them"
_GIGABYTE = 1e9
_COPIES = {"keras": 2, "saved_model": 2, "code": 0}
"""Format -> how often it holds the weights, here the last ones beside the best; 1 for others."""


def overview(
    given: keras.Model,
    model: keras.Model,
    train: LabelledImages,
    val: LabelledImages,
    config: TrainingConfig,
) -> str:
    """The table.

    Args:
        given: the network as it came.
        model: the one that is trained, perhaps with a new head.
        train: what it is trained on.
        val: what it is validated on.
        config: of the run.
    """
    layers = [layer for layer in leaves(model) if layer.weights]
    before = {id(layer) for layer in leaves(given)}
    new = [layer for layer in layers if id(layer) not in before or is_new(layer)]
    loaded = [layer for layer in layers if origin(layer) and layer not in new]
    rest = [layer for layer in layers if layer not in new and layer not in loaded]
    frozen = [layer for layer in layers if not any(map(_trains, layer.weights))]
    files = ", ".join(dict.fromkeys(map(origin, loaded)))
    rows = [
        ("network", f"{model.name}, {_parameters(layers):,} parameters in {len(layers)} layers"),
        ("loaded", f"{_counted(loaded)} from {files}" if loaded else _NO_FILE),
        *([("not loaded", _listed(rest))] if loaded and rest else []),
        ("new", _listed(new) if new else "nothing"),
        ("frozen", _listed(frozen) if frozen else "nothing"),
        *([("second heads", ", ".join(config.auxiliary))] if config.auxiliary else []),
        ("loss", _loss(config)),
        ("rate", _rate(config)),
        ("classes", _classes(train)),
        ("images", _images(model)),
        ("sizes", _sizes(config)),
        ("pairs", f"{_pairs(train)} to train on, {_pairs(val)} to validate on"),
    ]
    return text_table(rows)


def disk_note(
    folder: Path, variables: Mapping[str, Sequence[Any]], config: TrainingConfig
) -> str | None:
    """What a run will need on the disk, where that is more than a gigabyte.

    Args:
        folder: of the run.
        variables: of the network and of the solver, as checkpoints have them.
        config: of the run.
    """
    weights, state = (_bytes(variables[name]) for name in ("network", "solver"))
    # A checkpoint is written beside the old one.
    need = 2 * (weights + state) + weights
    need += weights * sum(_COPIES.get(name, 1) for name in config.exports)
    if need < _GIGABYTE:
        return None
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    text = f"{folder} will take up to {need / _GIGABYTE:.1f} GB: checkpoints and exports"
    left = f"{free / _GIGABYTE:.1f} GB are free there"
    return f"{text}; {left}" if free > need else f"warning: {text}; only {left}"


def _bytes(variables: Iterable[Any]) -> int:
    return sum(math.prod(x.shape) * np.dtype(x.dtype).itemsize for x in variables)


def _loss(config: TrainingConfig) -> str:
    """The loss, with the options that are not the default."""
    values = config.to_dict()
    names = (*LOSS_OPTIONS, "class_weights", "loss_on")
    fields = (field for field in dataclasses.fields(config) if field.name in names)
    given = [f"{x.name} {values[x.name]}" for x in fields if values[x.name] != x.default]
    loss = values["loss"]
    return ", ".join([loss if isinstance(loss, str) else loss["name"], *given])


def _rate(config: TrainingConfig) -> str:
    """The learning rate's policy: an epoch's line has the rate of its last update."""
    if not isinstance(config.optimizer, str):
        return "as the given optimizer has it"
    names = ("gamma", "power", "stepsize", "stepvalues")
    told = [f"{name} {value}" for name in names if (value := getattr(config, name))]
    policy = ", ".join([config.lr_policy, *told])
    if config.lr_policy == "poly":
        policy += ", falls to 0 at the run's end"
    warm = f"; warmed up over {config.warmup} updates from {config.warmup_learning_rate:g}"
    return f"learning_rate {config.learning_rate:g}, {policy}{warm if config.warmup else ''}"


def _trains(variable: Any) -> bool:
    return bool(variable.trainable)


def _parameters(layers: Iterable[Any]) -> int:
    variables = {id(x): x for layer in layers for x in layer.weights}
    return sum(math.prod(x.shape) for x in variables.values())


def _counted(layers: Sequence[Any]) -> str:
    plural = "" if len(layers) == 1 else "s"
    return f"{len(layers)} layer{plural}, {_parameters(layers):,} parameters,"


def _listed(layers: Sequence[Any]) -> str:
    return f"{_counted(layers)[:-1]}: {_some(layer.name for layer in layers)}"


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join([*names[:_SHOWN], *(["..."] if len(names) > _SHOWN else [])])


def _classes(data: LabelledImages) -> str:
    each = f"{data.ignore_index} is void" if data.of_pixels else "one an image"
    return f"{len(data.classes)}: {_some(data.classes)}; {each}"


def _images(model: keras.Model) -> str:
    preprocessing = card_of(model).preprocessing
    if preprocessing is None:
        return "fed as they are"
    return describe(preprocessing).removeprefix("images: ")


def _sizes(config: TrainingConfig) -> str:
    def steps() -> Iterator[str]:
        if config.size is None:
            yield "as they are prepared"
        else:
            yield "resized to {}x{}".format(*config.size)
        if config.crop_size is not None:
            yield "trained on {}x{} of them".format(*config.crop_size)
        if config.balance_classes:
            yield "drawn by class"
        yield f"{config.batch_size} in a batch"

    return ", ".join(steps())


def _pairs(dataset: LabelledImages) -> str:
    out = f" ({len(dataset.bad_pairs)} left out)" if dataset.bad_pairs else ""
    return f"{len(dataset)}{out}"
