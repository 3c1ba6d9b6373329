"""Caffe layer parameters -> the one function that writes their ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.net.layer import Layer

ToOnnx = Callable[..., Any]
"""`write(layer, graph, *bottoms)`: tensors' names in, a top's name, or a tuple of them, out."""

F = TypeVar("F", bound=ToOnnx)

WRITERS: dict[type[LayerParams], ToOnnx] = {}


def to_onnx(*params: type[LayerParams]) -> Callable[[F], F]:
    """Register what writes one or more layer types."""

    def register(function: F) -> F:
        for cls in params:
            if cls in WRITERS:
                raise ValueError(f"{cls.__name__} is written twice")
            WRITERS[cls] = function
        return function

    return register


def writer_of(layer: Layer) -> ToOnnx:
    """What writes a layer.

    Raises:
        UnsupportedLayerError: nothing writes this type.
    """
    write = WRITERS.get(type(layer.params))
    if write is None:
        raise UnsupportedLayerError(f"{layer.place}: this type is not written as ONNX")
    return write
