"""Classes that objects of Keras are known by, and whether they compute as these do.

Whoever looks a layer up by its class takes what is said of a base for the layer itself. That
holds as long as the layer computes by the base's own methods.
"""

from __future__ import annotations

import inspect
from collections.abc import Container, Mapping
from typing import Any, TypeVar

import keras

T = TypeVar("T")

_TRUSTED = ("keras", "keras_fcn")
_CALLS = ("__call__", "call")
_HARMLESS = frozenset(
    (
        *("add_loss", "build", "build_from_config", "compute_mask", "compute_output_shape"),
        *("compute_output_spec", "count_params", "from_config", "get_build_config", "get_config"),
        *("load_own_variables", "metrics", "quantize", "save_own_variables"),
    )
)
"""Methods that say what a layer is, and change no number that it gives."""


def is_trusted(cls: type) -> bool:
    """Whether a class is Keras' or this package's, so that the tables know of its methods."""
    return cls.__module__.partition(".")[0] in _TRUSTED


def nearest(operation: Any, known: Container[type]) -> type | None:
    """The nearest of an object's classes that is among the known ones."""
    return next((cls for cls in type(operation).__mro__ if cls in known), None)


def own_method(operation: Any, known: type | None = None) -> str:
    """The method by which an object computes otherwise than the class it is known by.

    Args:
        operation: a layer, a model, or another operation of Keras.
        known: one of its classes; None: the nearest that is Keras' or of this package.

    Returns:
        The method's name, such as `"call"`; empty where it computes as `known` does.
    """
    order = type(operation).__mro__
    known = known or next((cls for cls in order if is_trusted(cls)), type(operation))
    others = [cls for cls in order[: order.index(known)] if not is_trusted(cls)]
    names = [name for cls in others for name in vars(cls) if hasattr(known, name)]
    # Of some forty attributes of a layer hardly one hides what a class has.
    names += [name for name in vars(operation) if any(name in vars(cls) for cls in order)]
    return next((name for name in names if _computes(operation, name)), "")


def exchanged(layer: keras.layers.Layer) -> tuple[keras.layers.Layer, str] | None:
    """The first layer in a layer, or itself, with a method that its class lacks, and which."""
    parts = ((part, own_method(part, type(part))) for part in layer._flatten_layers())
    return next(((part, method) for part, method in parts if method), None)


def entry(layer: Any, table: Mapping[type, T]) -> T | None:
    """What a table says of a layer's nearest class; None where the layer computes otherwise."""
    known = nearest(layer, table)
    return None if known is None or own_method(layer, known) else table[known]


def stock_name(operation: Any) -> str:
    """Class name of an operation of Keras' own; empty for another, or one that is changed."""
    kind = type(operation)
    stock = kind.__module__.partition(".")[0] == "keras" and not own_method(operation)
    return kind.__name__ if stock else ""


def own(method: str) -> str:
    """Words for a layer with a method of its own; empty without one."""
    return method and f"has a {method} of its own, so that what it computes is not known"


def _computes(operation: Any, name: str) -> bool:
    """Whether a name is that of a method which a pass may use."""
    if name in _CALLS:
        return True
    if isinstance(operation, keras.Model) or name.startswith("__") or name in _HARMLESS:
        return False  # a model's other methods train it, or feed it
    found = inspect.getattr_static(type(operation), name, None)
    return callable(found) or isinstance(found, property | classmethod | staticmethod)
