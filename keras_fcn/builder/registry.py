"""Caffe layer parameters -> the one function that builds their Keras layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from convert.errors import UnsupportedLayerError
from convert.layers import LayerParams, Shapes, custom
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


def register(
    name: str, *, top_shapes: Callable[[Any, Shapes], Shapes] | None = None
) -> Callable[[B], B]:
    """Build a layer type of one's own with a function.

    The function gets the :class:`convert.Layer` (its ``params.fields`` holds the
    parameter messages of the prototxt) and the Keras tensors it reads, and returns
    a tensor, or a tuple of them for several tops. Blobs of three axes or more are
    channels-last. ``name`` is the layer's ``type``, or, where that is ``Python``,
    the ``layer`` of its ``python_param``.

    Args:
        name: the type.
        top_shapes: ``top_shapes(params, bottoms)`` gives the tops' shapes in Caffe's
            axis order; without it they are taken to be the first bottom's.

    Raises:
        ValueError: the type is known already.

    Example:
        ```python
        @keras_fcn.register("HardSwish")
        def hard_swish(layer, x):
            return keras.layers.Activation("hard_swish", name=layer.keras_name)(x)
        ```
    """
    return builds(custom.define(name, top_shapes))


def builder_of(layer: Layer, place: str) -> Build:
    """The builder of a layer.

    Raises:
        UnsupportedLayerError: nothing builds this type.
    """
    build = BUILDERS.get(type(layer.params))
    if build is not None:
        return build
    raise UnsupportedLayerError(
        f"{place}: keras-fcn does not build this type. "
        f"Register a function that does: @keras_fcn.register({layer.type!r})"
    )
