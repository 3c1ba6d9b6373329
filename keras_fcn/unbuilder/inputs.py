"""Inputs of a Keras layer, in Caffe's axis order."""

from __future__ import annotations

from typing import Any

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import Shapes
from keras_fcn.layers._axes import channels_first_axis, channels_first_shape


def input_shapes(layer: Any) -> Shapes:
    """Shapes of a layer's inputs where it was first called, or what it was built for.

    Raises:
        UnsupportedLayerError: neither has happened.
    """
    for node in layer._inbound_nodes[:1]:
        return tuple(channels_first_shape(tensor.shape) for tensor in node.input_tensors)
    for shape in (getattr(layer, "_build_shapes_dict", None) or {}).values():
        several = bool(shape) and isinstance(shape[0], list | tuple)
        return tuple(map(channels_first_shape, shape if several else [shape]))
    raise UnsupportedLayerError("its Caffe form depends on its input's shape; call it first")


def rank(layer: Any) -> int:
    """Number of axes of the layer's first input."""
    return len(input_shapes(layer)[0])


def caffe_axis(layer: Any, axis: int) -> int:
    """Caffe's number of an axis of the layer's first input."""
    return channels_first_axis(axis, rank(layer))
