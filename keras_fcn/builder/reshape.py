"""Flatten, Reshape and Silence."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers.data import HDF5Output
from keras_fcn.caffe.layers.shape import Flatten, PixelShuffle, Reshape, Silence
from keras_fcn.caffe.net.network import Layer
from keras_fcn.layers import _stock


@builds(Flatten)
def flatten(layer: Layer[Flatten], x: Any) -> Any:
    """Merges axes, elements in Caffe's (N, C, ...) order."""
    params = layer.params
    rank = len(x.shape)
    if params.flattens and rank == 2:
        return _stock.Flatten(name=layer.keras_name)(x)
    rule = params.as_reshape(rank)
    return layers.CaffeReshape(rule.shape, rule.axis, rule.num_axes, name=layer.keras_name)(x)


@builds(Reshape)
def reshape(layer: Layer[Reshape], x: Any) -> Any:
    """Reshapes, elements in Caffe's (N, C, ...) order; a repeated batch size means any."""
    params = layer.params
    sizes = params.sizes(layer.bottoms[0].shape or ())
    return layers.CaffeReshape(sizes, params.axis, params.num_axes, name=layer.keras_name)(x)


@builds(PixelShuffle)
def pixel_shuffle(layer: Layer[PixelShuffle], x: Any) -> Any:
    """Channels become pixels."""
    params = layer.params
    return layers.PixelShuffle(params.pixelshuffler, name=layer.keras_name)(x)


@builds(Silence, HDF5Output)
def silence(layer: Layer, *tensors: Any) -> tuple[()]:
    """Nothing: what only such a layer reads is left out of the model."""
    return ()
