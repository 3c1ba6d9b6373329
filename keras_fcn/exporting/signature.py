"""What a model takes, as Keras' exporters want to be told."""

from __future__ import annotations

from typing import Any

import keras


def signature(model: keras.Model) -> list[Any]:
    """Shapes and types of a model's inputs; Keras' own are for models that have been called."""
    specs = [
        keras.InputSpec(shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)
        for tensor in model.inputs
    ]
    return specs if len(specs) == 1 else [specs]
