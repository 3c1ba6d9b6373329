"""Keras layer -> the one function that writes it as Caffe layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import keras

Write = Callable[..., Any]
W = TypeVar("W", bound=Write)

WRITERS: dict[type, Write] = {}
"""Keras layer class -> ``write(layer, draft, *bottoms)``; subclasses use their base's."""

OPERATIONS: dict[str, Write] = {}
"""Class name of a ``keras.ops`` operation -> ``write(operation, draft, *arguments)``."""


def writes(*classes: type) -> Callable[[W], W]:
    """Register the writer of one or more Keras layer classes.

    The function gets the layer, the :class:`keras_fcn.to_caffe.draft.Draft` and the blobs
    that the layer reads; it appends Caffe layers and returns a blob, or a tuple of them.
    """

    def register(function: W) -> W:
        for cls in classes:
            if cls in WRITERS:
                raise ValueError(f"{cls.__name__} already has a writer")
            WRITERS[cls] = function
        return function

    return register


def operation(*names: str) -> Callable[[W], W]:
    """Register the writer of one or more operations of ``keras.ops``.

    It gets the arguments of the call in their order, blobs in the place of tensors.
    """

    def register(function: W) -> W:
        for name in names:
            if name in OPERATIONS:
                raise ValueError(f"{name} already has a writer")
            OPERATIONS[name] = function
        return function

    return register


def writer_of(layer: Any) -> Write | None:
    """The writer of a layer, that of its nearest base where it has none of its own."""
    if isinstance(layer, keras.layers.Layer):
        found = next((WRITERS[cls] for cls in type(layer).__mro__ if cls in WRITERS), None)
        if found is not None or not type(layer).__module__.startswith("keras."):
            return found
    return OPERATIONS.get(type(layer).__name__)
