"""Messages on arrays that a model cannot take."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn.errors import ModelError, plain_reason
from keras_fcn.graph.calls import shapes_at

_OF_SHAPES = (ValueError, TypeError)


def concerns_inputs(error: Exception) -> bool:
    """Whether an error of Keras or of a layer may be one of the inputs' shapes."""
    return isinstance(error, _OF_SHAPES) and not isinstance(error, ModelError)


def refusal(model: keras.Model, inputs: Any, error: Exception) -> ModelError:
    """One line for what Keras or a layer says of a model's inputs, with the layer at fault."""
    arrays = keras.tree.flatten(inputs)
    shapes = [tuple(getattr(array, "shape", ())) for array in arrays]
    why = plain_reason(error)
    if len(shapes) == len(model.inputs):
        names = [tensor.name for tensor in model.inputs]
        try:
            shapes_at(model, dict(zip(names, shapes, strict=True)))
        except ModelError as located:
            why = str(located)
    known = f" of shape {', '.join(map(str, shapes))}" if all(shapes) else ""
    refused = ModelError(f"{model.name!r} cannot take inputs{known}: {why}")
    vars(refused)["_keras_call_info_injected"] = True  # Keras adds no more
    return refused
