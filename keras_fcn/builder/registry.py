"""Caffe layer parameters -> the one function that builds their Keras layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from convert.errors import UnsupportedLayerError
from convert.layers import LayerParams, UnknownLayer
from convert.network import Layer

Tensors = Any
"""One Keras tensor, or a tuple of them for several tops."""
Build = Callable[..., Tensors]
"""``build(layer, *bottoms) -> Tensors``; blobs of three axes or more are channels-last."""

B = TypeVar("B", bound=Build)

BUILDERS: dict[type[LayerParams], Build] = {}


def builds(*params: type[LayerParams]) -> Callable[[B], B]:
    """Register the builder of one or more layer types."""

    def register(function: B) -> B:
        for cls in params:
            if cls in BUILDERS:
                raise ValueError(f"{cls.__name__} already has a builder")
            BUILDERS[cls] = function
        return function

    return register


def builder_of(layer: Layer, where: str) -> Build:
    """The builder of a layer.

    Raises:
        UnsupportedLayerError: nothing builds this type.
    """
    build = BUILDERS.get(type(layer.params))
    if build is not None:
        return build
    known = "" if isinstance(layer.params, UnknownLayer) else " in Keras yet"
    raise UnsupportedLayerError(
        f"{where}: layer {layer.name!r} has type {layer.type!r}, "
        f"which keras-fcn does not know{known}"
    )
