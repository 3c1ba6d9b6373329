"""Names of a model's inputs and outputs, where files keep them."""

from __future__ import annotations

import keyword
import re

import keras

from keras_fcn.caffe.names import keras_names


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
