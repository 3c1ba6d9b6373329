"""What a model takes, as Keras' exporters want to be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras


def signature(
    model: keras.Model, shapes: Mapping[str, Sequence[int | None]] | None = None
) -> list[Any]:
    """Shapes and types of a model's inputs; Keras' own are for models that have been called.

    Args:
        model: the model.
        shapes: input -> its shape, where it is to be another one.
    """
    specs = [
        keras.InputSpec(
            shape=(shapes or {}).get(tensor.name, tensor.shape),
            dtype=tensor.dtype,
            name=tensor.name,
        )
        for tensor in model.inputs
    ]
    return specs if len(specs) == 1 else [specs]
