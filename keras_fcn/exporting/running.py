"""A model, and files of it in their own runtimes, as functions of its inputs in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy.typing as npt

from keras_fcn.exporting.runtimes import Program, opened_litert, opened_saved_model
from keras_fcn.graph.ends import input_names, output_names

__all__ = ["Run", "model_outputs", "run_litert", "run_saved_model"]

Array = npt.NDArray[Any]
Run = Callable[[Sequence[Array]], list[Array]]
"""The model's inputs to its outputs, in their order."""


def model_outputs(model: keras.Model, fed: Sequence[Array]) -> list[Array]:
    """The outputs of a model for its inputs, in their order."""
    made = model(fed[0] if len(fed) == 1 else list(fed), training=False)
    return [keras.ops.convert_to_numpy(x) for x in keras.tree.flatten(made)]


def run_saved_model(path: Path, model: keras.Model) -> Run:
    """A SavedModel of a model in TensorFlow."""
    return _by_name(opened_saved_model(path), model)


def run_litert(path: Path, model: keras.Model) -> Run:
    """A LiteRT file of a model."""
    return _by_name(opened_litert(path), model)


def _by_name(program: Program, model: keras.Model) -> Run:
    """What runs a program; names that it has made up itself count in their order."""
    inputs = _told(input_names(model), program.inputs)
    outputs = _told(output_names(model), program.outputs)

    def run(fed: Sequence[Array]) -> list[Array]:
        found = program.run(dict(zip(inputs, fed, strict=True)))
        return [found[name] for name in outputs]

    return run


def _told(names: Sequence[str], known: Sequence[str] | Mapping[str, Any]) -> list[str]:
    if set(names) == set(known):
        return list(names)
    return sorted(known, key=lambda name: (len(name), name))  # output_2 before output_10
