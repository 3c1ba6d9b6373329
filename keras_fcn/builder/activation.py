"""Layers that work on each element or pixel."""

from __future__ import annotations

from typing import Any

import keras

from convert.layers.activation import Dropout, ReLU, Softmax
from convert.layers.shape import Split
from convert.network import Layer
from keras_fcn.builder.registry import builds
from keras_fcn.layers import PixelwiseSoftmax


@builds(ReLU)
def relu(layer: Layer, x: Any) -> Any:
    """Keras has Caffe's negative slope."""
    return keras.layers.ReLU(
        negative_slope=layer.params.negative_slope,  # type: ignore[attr-defined]
        name=layer.keras_name,
    )(x)


@builds(Dropout)
def dropout(layer: Layer, x: Any) -> Any:
    """Both scale what is kept while training."""
    return keras.layers.Dropout(
        layer.params.dropout_ratio,  # type: ignore[attr-defined]
        name=layer.keras_name,
    )(x)


@builds(Softmax)
def softmax(layer: Layer, x: Any) -> Any:
    """Over channels, which Keras keeps last, the softmax is the pixel-wise head."""
    rank = len(x.shape)
    axis = layer.params.axis % rank  # type: ignore[attr-defined]
    keras_axis = channels_last_axis(axis, rank)
    if keras_axis == rank - 1:
        return PixelwiseSoftmax(name=layer.keras_name)(x)
    return keras.layers.Softmax(axis=keras_axis, name=layer.keras_name)(x)


@builds(Split)
def split(layer: Layer, x: Any) -> Any:
    """One tensor may have many readers in Keras."""
    return (x,) * len(layer.tops)


def channels_last_axis(axis: int, rank: int) -> int:
    """Where a Caffe axis stands in Keras: channels last from three axes on."""
    if rank < 3 or axis == 0:
        return axis
    return rank - 1 if axis == 1 else axis - 1
