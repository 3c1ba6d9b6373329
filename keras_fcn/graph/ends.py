"""A model's inputs and outputs: their names, where files keep them, and their classes."""

from __future__ import annotations

import keyword
import re

import keras

from keras_fcn import layers
from keras_fcn.caffe.names import keras_names
from keras_fcn.graph.calls import calls


def input_names(model: keras.Model) -> list[str]:
    """Names of a model's inputs in a SavedModel: theirs, made fit for Python's arguments.

    `data` stays, `in` becomes `arg_in`.
    """
    names = [re.sub(r"\W", "_", tensor.name) for tensor in model.inputs]
    return [
        f"arg_{name}" if keyword.iskeyword(name) or not name.isidentifier() else name
        for name in names
    ]


def output_names(model: keras.Model) -> list[str]:
    """Names of a model's outputs: those of the layers that make them, each different.

    The second output of a layer `slice` is `slice_2`.
    """
    return keras_names(tensor._keras_history.operation.name for tensor in model.outputs)


def class_count(model: keras.Model) -> int | None:
    """How many classes a model tells apart, as its last layer shows.

    None where that does not show: of several outputs, or of one that holds no scores.
    """
    tensor, *others = model.outputs
    if others:
        return None
    last = next(call for call in calls(model) if any(x is tensor for x in call.outputs))
    if isinstance(last.operation, layers.DetectionOutput):
        return int(last.operation.num_classes)
    if isinstance(last.operation, layers.ArgMax):
        tensor = last.inputs[0]
    return tensor.shape[-1] if len(tensor.shape) in (2, 4) else None
