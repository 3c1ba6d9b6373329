"""Concat, Slice and Tile."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers.concat import Concat, Slice, Tile
from keras_fcn.caffe.net.network import Layer
from keras_fcn.layers._axes import channels_last_axis


@builds(Concat)
def concat(layer: Layer[Concat], *tensors: Any) -> Any:
    """Keras' Concatenate, along the axis's index in Keras."""
    if len(tensors) == 1:
        return keras.layers.Identity(name=layer.keras_name)(tensors[0])
    rank = len(tensors[0].shape)
    axis = layer.params.axis % rank
    return keras.layers.Concatenate(channels_last_axis(axis, rank), name=layer.keras_name)(
        list(tensors)
    )


@builds(Slice)
def slice_(layer: Layer[Slice], x: Any) -> Any:
    """Cuts into several outputs."""
    params = layer.params
    parts = params.slice_point or len(layer.tops)
    return tuple(layers.Slice(parts, params.axis, name=layer.keras_name)(x))


@builds(Tile)
def tile(layer: Layer[Tile], x: Any) -> Any:
    """Repeats along one axis, which Keras' layers cannot."""
    params = layer.params
    return layers.Tile(params.tiles, params.axis, name=layer.keras_name)(x)
