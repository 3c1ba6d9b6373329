"""Layers that work on each element or pixel."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers import activation as caffe
from keras_fcn.caffe.layers import elementwise as functions
from keras_fcn.caffe.layers.shape import Split
from keras_fcn.caffe.net.network import Layer
from keras_fcn.layers._axes import channels_last_axis

# Layers whose arguments are the fields of the Caffe type.
_LAYERS: dict[type[LayerParams], type[keras.layers.Layer]] = {
    caffe.Insanity: layers.Insanity,
    functions.AbsVal: layers.AbsVal,
    functions.Clip: layers.Clip,
    functions.ELU: keras.layers.ELU,
    functions.Exp: layers.Exp,
    functions.Log: layers.Log,
    functions.Power: layers.Power,
    functions.SELU: layers.SELU,
    functions.Swish: layers.Swish,
    functions.Threshold: layers.Threshold,
}
_FUNCTIONS: dict[type[LayerParams], str] = {
    functions.BNLL: "softplus",
    functions.Sigmoid: "sigmoid",
    functions.TanH: "tanh",
}


@builds(*_LAYERS)
def elementwise(layer: Layer, x: Any) -> Any:
    """A layer of the same name, with the same arguments."""
    arguments = dataclasses.asdict(layer.params)
    return _LAYERS[type(layer.params)](**arguments, name=layer.keras_name)(x)


@builds(*_FUNCTIONS)
def keras_function(layer: Layer, x: Any) -> Any:
    """An activation that Keras has."""
    function = _FUNCTIONS[type(layer.params)]
    return keras.layers.Activation(function, name=layer.keras_name)(x)


@builds(caffe.ReLU)
def relu(layer: Layer[caffe.ReLU], x: Any) -> Any:
    """Keras has Caffe's negative slope, but not one below 0."""
    slope = layer.params.negative_slope
    kind = keras.layers.ReLU if slope >= 0 else layers.ReLU
    return kind(negative_slope=slope, name=layer.keras_name)(x)


@builds(caffe.PReLU)
def prelu(layer: Layer[caffe.PReLU], x: Any) -> Any:
    """Keras' own has slopes of another shape, and another gradient at 0."""
    params = layer.params
    return layers.PReLU(
        channel_shared=params.channel_shared,
        alpha_initializer="zeros",
        name=layer.keras_name,
    )(x)


@builds(caffe.Dropout)
def dropout(layer: Layer[caffe.Dropout], x: Any) -> Any:
    """Both scale what is kept while training; `SampledDropout` drops when tested too."""
    params = layer.params
    kind = layers.SampledDropout if params.sample_weights_test else keras.layers.Dropout
    return kind(params.dropout_ratio, name=layer.keras_name)(x)


@builds(caffe.Softmax)
def softmax(layer: Layer[caffe.Softmax], x: Any) -> Any:
    """Over channels, which Keras keeps last, the softmax is the pixel-wise head."""
    rank = len(x.shape)
    axis = layer.params.axis % rank
    keras_axis = channels_last_axis(axis, rank)
    if keras_axis == rank - 1 > 0:
        return layers.PixelwiseSoftmax(name=layer.keras_name)(x)
    return keras.layers.Softmax(axis=keras_axis, name=layer.keras_name)(x)


@builds(Split)
def split(layer: Layer, x: Any) -> Any:
    """One tensor may have many readers in Keras."""
    return (x,) * len(layer.tops)
