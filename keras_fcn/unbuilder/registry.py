"""Keras layer -> the one function that gives its Caffe parameters."""

from __future__ import annotations

import dataclasses
from collections import ChainMap
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import keras

from keras_fcn.caffe.errors import CaffeError, UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.layers.known import is_trusted, nearest, own, own_method

Unbuild = Callable[[Any], LayerParams | None]
"""`unbuild(layer) -> params`; None where these settings need more than one Caffe layer."""

F = TypeVar("F", bound=Unbuild)
P = TypeVar("P", bound=LayerParams)

UNBUILDERS: dict[type, Unbuild] = {}
"""Keras layer class -> its function; subclasses that compute alike use their base's."""

REASONS: dict[type, str] = {}
"""Layer classes that are no single Caffe layer -> why."""

_KNOWN = ChainMap[type, Any](UNBUILDERS, REASONS)


def unbuilds(*classes: type) -> Callable[[F], F]:
    """Register the function that unbuilds one or more Keras layer classes."""

    def register(function: F) -> F:
        for cls in classes:
            if cls in UNBUILDERS or cls in REASONS:
                raise ValueError(f"{cls.__name__} is already unbuilt")
            UNBUILDERS[cls] = function
        return function

    return register


def is_no_layer(reasons: Mapping[type, str]) -> None:
    """Register layer classes that are no single Caffe layer, each with the reason."""
    for cls, reason in reasons.items():
        if cls in UNBUILDERS or cls in REASONS:
            raise ValueError(f"{cls.__name__} is already unbuilt")
        REASONS[cls] = reason


def unbuilds_alike(kinds: Mapping[type, type[LayerParams]], **names: str) -> None:
    """Register Keras layer classes whose arguments are the fields of a Caffe type.

    Args:
        kinds: the Keras class -> the Caffe type.
        **names: field -> the argument, where they are called differently.
    """
    for cls, kind in kinds.items():
        unbuilds(cls)(lambda layer, kind=kind: alike(layer, kind, **names))


def alike(layer: Any, kind: type[P], /, **names: str) -> P:
    """The parameters of a type, each from the layer's argument of that name.

    Labels of enums are in lower case in Keras. Fields without an argument keep their default.

    Args:
        layer: a Keras layer.
        kind: the Caffe type.
        **names: field -> the argument, where they are called differently.
    """
    arguments = {field.name: names.get(field.name, field.name) for field in _fields(kind)}
    config = layer.get_config()
    if not is_trusted(type(layer)):  # a subclass made elsewhere may tell less
        config = {x: getattr(layer, x) for x in arguments.values() if hasattr(layer, x)}
    return kind(
        **{field: _plain(config[name]) for field, name in arguments.items() if name in config}
    )


def unbuild(layer: keras.layers.Layer) -> LayerParams | None:
    """The Caffe layer that a Keras layer is, as its typed parameters.

    The activation that a layer has of its own (`activation="relu"`) is another layer in
    Caffe and not told here. Fillers are Caffe's defaults.

    Args:
        layer: a layer. Where its Caffe form depends on the shape of its input it must have
            been called, or built.

    Returns:
        None where it is no single Caffe layer; `REASONS` says why of some classes.

    Raises:
        UnsupportedLayerError: Caffe lacks a setting of the layer; the message names layer,
            setting and value.
    """
    try:
        return params_of(layer)
    except CaffeError as error:
        place = f"layer {layer.name!r} ({type(layer).__name__})"
        raise UnsupportedLayerError(f"{place}: {error}") from error


def params_of(layer: Any) -> LayerParams | None:
    """As `unbuild`, with errors that do not name the layer."""
    cls = nearest(layer, _KNOWN)
    if cls is None or cls in REASONS or own_method(layer, cls):
        return None
    if getattr(layer, "data_format", None) == "channels_first":
        raise UnsupportedLayerError(
            "data_format: 'channels_first' has no equivalent; make it 'channels_last'"
        )
    return UNBUILDERS[cls](layer)


def reason(layer: Any) -> str:
    """Why a layer is no single Caffe layer; empty where that is not written."""
    cls = nearest(layer, _KNOWN)
    if cls is None:
        return ""
    return REASONS[cls] if cls in REASONS else own(own_method(layer, cls))


def is_known(layer: Any) -> bool:
    """Whether a layer is unbuilt, or why not is written."""
    return nearest(layer, _KNOWN) is not None


def _fields(kind: type[LayerParams]) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(kind)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.upper()
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    return value
