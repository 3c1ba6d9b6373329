"""Keras layer -> the one function that writes it as Caffe layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Write = Callable[..., Any]
W = TypeVar("W", bound=Write)

WRITERS: dict[type, Write] = {}
"""Keras layer class -> ``write(layer, call, net)``; subclasses use their base's."""


def writes(*classes: type) -> Callable[[W], W]:
    """Register the writer of one or more Keras layer classes."""

    def register(function: W) -> W:
        for cls in classes:
            if cls in WRITERS:
                raise ValueError(f"{cls.__name__} already has a writer")
            WRITERS[cls] = function
        return function

    return register


def writer_of(layer: Any) -> Write | None:
    """The writer of a layer, that of its nearest base where it has none of its own."""
    return next((WRITERS[cls] for cls in type(layer).__mro__ if cls in WRITERS), None)
