"""Keras layer -> the one function that writes it as Caffe layers."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable
from typing import Any, TypeVar

import keras

from keras_fcn.layers.known import is_trusted, nearest, own, own_method, stock_name
from keras_fcn.to_caffe.unbuilt import unbuilt
from keras_fcn.unbuilder import UNBUILDERS
from keras_fcn.unbuilder.registry import reason

Write = Callable[..., Any]
W = TypeVar("W", bound=Write)

WRITERS: dict[type, Write] = {}
"""Keras layer class -> `write(layer, draft, *bottoms)`.

Subclasses that compute alike use their base's.
"""

OPERATIONS: dict[str, Write] = {}
"""Class name of a `keras.ops` operation -> `write(operation, draft, *arguments)`."""

_KNOWN = ChainMap[type, Any](WRITERS, UNBUILDERS)


def writes(*classes: type) -> Callable[[W], W]:
    """Register the writer of one or more Keras layer classes.

    The function gets the layer, the `keras_fcn.to_caffe.draft.Draft` and the blobs
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
    """Register the writer of one or more operations of `keras.ops`.

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
    """The writer of a layer, that of its nearest base where it has none of its own.

    What is one layer in Caffe too needs none: `keras_fcn.to_caffe.unbuilt.unbuilt`
    writes it.
    """
    cls = nearest(layer, _KNOWN)
    if cls is None:
        return OPERATIONS.get(stock_name(layer))
    return None if own_method(layer, cls) else WRITERS.get(cls, unbuilt)


def why_not(layer: Any) -> str:
    """Why a layer without a writer has none."""
    name = type(layer).__name__
    if isinstance(layer, keras.Model):
        return "a model with a call of its own, whose layers cannot be seen; make it functional"
    ways = "make it of Keras layers"
    if not is_trusted(type(layer)):
        ways = f"say how it is written: @keras_fcn.to_caffe.writes({name}), or {ways}"
    known = nearest(layer, _KNOWN)
    if known is not None:
        return f"{own(own_method(layer, known))}; {ways}"
    if not isinstance(layer, keras.layers.Layer):
        if method := own_method(layer):
            return own(method)
        return f"keras.ops.{layer.name.rstrip('_0123456789')} has no equivalent in Caffe"
    if why := reason(layer):
        return why
    if is_trusted(type(layer)):
        return f"keras.layers.{name} has no equivalent in Caffe"
    return f"a layer of your own; {ways}"
