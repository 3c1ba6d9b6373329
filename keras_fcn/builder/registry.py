"""Caffe layer parameters -> the one function that builds their Keras layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams, Shapes, custom
from keras_fcn.caffe.layers.base import Array
from keras_fcn.caffe.net.network import Layer

Tensors = Any
"""One Keras tensor, or a tuple of them for several tops."""
Build = Callable[..., Tensors]
"""`build(layer, *bottoms) -> Tensors`; blobs of three axes or more are channels-last."""

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
    name: str,
    *,
    top_shapes: Callable[[Any, Shapes], Shapes] | None = None,
    weights: Callable[[Any, Sequence[Array]], Sequence[Array]] | None = None,
) -> Callable[[B], B]:
    """Build a layer type of one's own with a function.

    The function gets the `convert.Layer` and the Keras tensors it reads, and
    returns a tensor, or a tuple of them for several tops. Blobs of three axes or more are
    channels-last. `layer.params.fields` holds what the layer says in the prototxt, as
    plain data, its own parameter message included: `{"my_param": {"sigma": 3}}`.

    `name` is the layer's `type`, or, where that is `Python`, the `layer` of its
    `python_param`, if need be behind the last part of its `module`
    (`"my_module.MyLayer"`).

    A layer without bottoms feeds the network: its function gets no tensors and returns
    `keras.Input` tensors, which get the names of their blobs, what layers make of such
    tensors, or arrays that never change.

    A generator function makes the batches that such a layer feeds a training with: called
    as `function(layer, phase, random)`, `random` a `numpy.random.Generator`, it yields
    an array for each top, in Caffe's axis order, without end. So does a class with
    pycaffe's `setup`, `reshape` and `forward`.

    Args:
        name: the type.
        top_shapes: `top_shapes(params, bottoms)` gives the tops' shapes in Caffe's
            axis order; without it they are taken to be the first bottom's, or, in a layer
            without bottoms, those that the function makes.
        weights: `weights(params, blobs)` gives the weights of the Keras layer that is
            called `layer.keras_name`, in its order, from the layer's blobs in a Caffe
            file; without it they are the blobs as they are.

    Raises:
        ValueError: the type is known already.

    Example:
        ```python
        @keras_fcn.register("HardSwish")
        def hard_swish(layer, x):
            return keras.layers.Activation("hard_swish", name=layer.keras_name)(x)


        @keras_fcn.register("NoiseLayer")
        def noise(layer, phase, random):
            while True:
                yield random.normal(size=(8, 3, 32, 32)), random.integers(10, size=8)
        ```
    """
    params = custom.define(name, top_shapes, weights)

    def decorate(function: B) -> B:
        if not custom.makes_batches(function):
            return builds(params, params.source)(function)
        params.source.batches = staticmethod(function)
        return function

    return decorate


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
