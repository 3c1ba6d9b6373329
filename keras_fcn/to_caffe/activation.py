"""Activations, and what is nothing in inference."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.to_caffe import functions
from keras_fcn.to_caffe.draft import Blob, Draft, array
from keras_fcn.to_caffe.registry import writes
from keras_fcn.to_caffe.unbuilt import single
from keras_fcn.unbuilder.activation import IDENTITIES


def activated(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Layers that follow in a layer that has an activation of its own."""
    name = getattr(layer.activation, "__name__", "activation")
    if layer.activation is None or name == "linear":
        return x
    return functions.apply(layer.activation, draft, f"{layer.name}_{name}", x)


@writes(keras.layers.Activation)
def activation(layer: Any, draft: Draft, x: Blob) -> Blob:
    """By the function; an activation may also be a layer."""
    if isinstance(layer.activation, keras.layers.Layer):
        raise UnsupportedLayerError("activation: a layer is not written; use it by itself")
    return functions.apply(layer.activation, draft, layer.name, x)


@writes(keras.layers.ReLU)
def relu(layer: Any, draft: Draft, x: Blob) -> Blob:
    """With Keras' three settings."""
    most = layer.max_value
    return functions.relu(draft, layer.name, x, layer.negative_slope, most, layer.threshold)


@writes(keras.layers.LeakyReLU)
def leaky_relu(layer: Any, draft: Draft, x: Blob) -> Blob:
    """ReLU with a slope."""
    return functions.relu(draft, layer.name, x, layer.negative_slope)


@writes(keras.layers.ELU)
def elu(layer: Any, draft: Draft, x: Blob) -> Blob:
    """ELU."""
    return functions.elu(draft, layer.name, x, layer.alpha)


@writes(keras.layers.PReLU)
def prelu(layer: Any, draft: Draft, x: Blob) -> Blob:
    """One slope for all, or one a channel."""
    alpha = array(layer.alpha)
    x = draft.made(x)
    channels = x.final_shape[1]
    if alpha.size not in (1, channels) or alpha.shape[-1] != alpha.size:
        raise UnsupportedLayerError(
            f"shared_axes: slopes of shape {alpha.shape} have no equivalent; share height and width"
        )
    shared = alpha.size == 1 != channels
    blob = alpha.reshape(()) if shared else x.arranged(alpha.reshape(-1))
    return draft.each("PReLU", layer.name, x, blobs=[blob], channel_shared=shared or None)


@writes(keras.layers.Softmax)
def softmax(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Along one axis."""
    axes = keras.tree.flatten(layer.axis)
    if len(axes) > 1:
        raise UnsupportedLayerError(f"axis: {layer.axis}: Caffe's Softmax has one axis")
    return functions.softmax(draft, layer.name, x, axes[0])


@writes(keras.layers.Dropout)
def dropout(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Caffe drops single elements; where more is dropped together, nothing is written."""
    if layer.noise_shape is not None or not 0 < layer.rate < 1:
        return x
    return draft.each(single(layer), layer.name, x)


@writes(layers.SpatialDropout)
def spatial_dropout(layer: Any, draft: Draft, x: Blob) -> Blob:
    """ENet's."""
    return draft.each(single(layer), layer.name, x)


_SPATIAL = tuple(f"SpatialDropout{n}D" for n in (1, 2, 3))
_NOTHING = ("ActivityRegularization", "Identity", *_SPATIAL, *IDENTITIES)


@writes(*(getattr(keras.layers, name) for name in _NOTHING if hasattr(keras.layers, name)))
def identity(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Nothing, in inference."""
    return x
