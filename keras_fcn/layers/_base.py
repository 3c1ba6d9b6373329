"""Base class of all layers: a configuration that follows from the constructor."""

from __future__ import annotations

import inspect
from typing import Any

import keras


class CaffeLayer(keras.layers.Layer):
    """A layer that keeps each argument of its constructor under the argument's name.

    So `get_config` is written once, here. A class whose attributes differ from its arguments
    adds its own arguments in a `get_config` of its own.
    """

    def get_config(self) -> dict[str, Any]:
        """Give the constructor's arguments, those of base classes first."""
        own = {name: _serialized(getattr(self, name)) for name in _arguments(type(self))}
        return {**super().get_config(), **own}


def _arguments(layer: type) -> tuple[str, ...]:
    """Names of the arguments that a class and its bases declare, not those of every Keras layer."""
    names: dict[str, None] = {}
    for base in reversed(layer.__mro__[: layer.__mro__.index(CaffeLayer)]):
        if "__init__" in vars(base) and "get_config" not in vars(base):
            _, *parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
            named = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
            names |= dict.fromkeys(named)
    return tuple(names)


def _serialized(value: Any) -> Any:
    """Initializers and the like as Keras writes them, all else as it is."""
    if hasattr(value, "get_config"):
        return keras.saving.serialize_keras_object(value)
    return value
