"""Depthwise convolution, ReLU6, ShuffleChannel and Axpy."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.builder.convolution import convolution
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers.mobile import Axpy, DepthwiseConvolution, ReLU6, ShuffleChannel
from keras_fcn.caffe.net.network import Layer


@builds(DepthwiseConvolution)
def depthwise_convolution(layer: Layer[DepthwiseConvolution], *tensors: Any) -> Any:
    """A convolution with as many groups as channels."""
    params = layer.params
    same = params.as_convolution(layer.bottoms[0].shape or ())
    plain: Layer[Any] = layer
    return convolution(dataclasses.replace(plain, params=same), *tensors)


@builds(ReLU6)
def relu6(layer: Layer[ReLU6], x: Any) -> Any:
    """Keras has a ReLU with a greatest value."""
    params = layer.params
    return keras.layers.ReLU(
        max_value=params.n, negative_slope=params.negative_slope, name=layer.keras_name
    )(x)


@builds(ShuffleChannel)
def shuffle_channel(layer: Layer[ShuffleChannel], x: Any) -> Any:
    """Mixes the channels of groups."""
    params = layer.params
    return layers.ShuffleChannel(params.group, name=layer.keras_name)(x)


@builds(Axpy)
def axpy(layer: Layer, *tensors: Any) -> Any:
    """A * x + y."""
    return layers.Axpy(name=layer.keras_name)(list(tensors))
