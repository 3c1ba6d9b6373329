"""The layers of a model, those of models inside it included."""

from __future__ import annotations

from collections.abc import Iterator

import keras

__all__ = ["leaves"]


def leaves(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a model, those of models inside it included, once each."""
    seen = set()
    for layer in model.layers:
        for leaf in leaves(layer) if isinstance(layer, keras.Model) else (layer,):
            if id(leaf) not in seen:
                seen.add(id(leaf))
                yield leaf
