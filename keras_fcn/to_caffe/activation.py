"""Activations, and all that works on each element or along the channels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import activations

from convert.errors import UnsupportedLayerError
from keras_fcn import layers
from keras_fcn.layers.elementwise import Elementwise
from keras_fcn.to_caffe.draft import Blob, Draft
from keras_fcn.to_caffe.registry import writes


def activated(layer: Any, draft: Draft, x: Blob) -> Blob:
    """What follows in a layer that has an activation of its own."""
    if layer.activation in (None, activations.linear):
        return x
    return _apply(layer.activation, draft, f"{layer.name}_{layer.activation.__name__}", x)


@writes(keras.layers.Activation)
def activation(layer: Any, draft: Draft, x: Blob) -> Blob:
    """By the function."""
    if layer.activation is activations.linear:
        return x
    return _apply(layer.activation, draft, layer.name, x)


def _apply(function: Any, draft: Draft, name: str, x: Blob) -> Blob:
    write = _FUNCTIONS.get(function)
    if write is None:
        raise UnsupportedLayerError(
            f"activation: {getattr(function, '__name__', function)!r} has no equivalent"
        )
    return write(draft, name, x)


def _kept(x: Blob, y: Blob) -> Blob:
    """Elementwise: a flattened map stays one."""
    flattened = x.flatten and math.prod(x.shape[2:]) > 1
    return replace(y, channels=x.shape[1] if flattened else x.channels)


def relu(draft: Draft, name: str, x: Blob, slope: float = 0.0, most: float | None = None) -> Blob:
    """max(x, 0) + slope min(x, 0), and not above ``most``."""
    fields = {"negative_slope": float(slope)} if slope else {}
    y = draft.one("ReLU", name if most is None else f"{name}_low", x, **fields)
    if most is not None:  # relu(x) - relu(x - most); Caffe 1.0 has no Clip
        above = draft.one("Power", f"{name}_shift", x, shift=-float(most))
        above = draft.one("ReLU", f"{name}_high", above)
        y = draft.one("Eltwise", name, y, above, operation="SUM", coeff=[1.0, -1.0])
    return _kept(x, y)


def softmax(draft: Draft, name: str, x: Blob) -> Blob:
    """Along the channels."""
    x = draft.made(x)
    if x.channels is not None:
        raise UnsupportedLayerError("softmax over a flattened map has no equivalent")
    return draft.one("Softmax", name, x)


def _plain(kind: str, **fields: Any) -> Callable[[Draft, str, Blob], Blob]:
    return lambda draft, name, x: _kept(x, draft.one(kind, name, x, **fields))


_FUNCTIONS: dict[Any, Callable[[Draft, str, Blob], Blob]] = {
    activations.elu: _plain("ELU"),
    activations.exponential: _plain("Exp"),
    activations.leaky_relu: lambda draft, name, x: relu(draft, name, x, 0.2),
    activations.relu: relu,
    activations.relu6: lambda draft, name, x: relu(draft, name, x, most=6.0),
    activations.sigmoid: _plain("Sigmoid"),
    activations.softmax: softmax,
    activations.softplus: _plain("BNLL"),
    activations.tanh: _plain("TanH"),
}


@writes(keras.layers.ReLU)
def relu_layer(layer: Any, draft: Draft, x: Blob) -> Blob:
    """With Keras' three settings but the threshold."""
    if layer.threshold:
        raise UnsupportedLayerError(f"threshold: {layer.threshold} has no equivalent")
    if layer.negative_slope and layer.max_value is not None:
        raise UnsupportedLayerError("negative_slope with max_value has no equivalent")
    return relu(draft, layer.name, x, layer.negative_slope, layer.max_value)


@writes(keras.layers.LeakyReLU)
def leaky_relu(layer: Any, draft: Draft, x: Blob) -> Blob:
    """ReLU with a slope."""
    return relu(draft, layer.name, x, layer.negative_slope)


@writes(keras.layers.ELU)
def elu(layer: Any, draft: Draft, x: Blob) -> Blob:
    """ELU."""
    return _kept(x, draft.one("ELU", layer.name, x, alpha=float(layer.alpha)))


@writes(keras.layers.PReLU)
def prelu(layer: Any, draft: Draft, x: Blob) -> Blob:
    """One slope for all, or one a channel."""
    alpha = keras.ops.convert_to_numpy(layer.alpha)
    if alpha.size not in (1, x.shape[1]) or alpha.shape[-1] != alpha.size:
        raise UnsupportedLayerError(
            f"shared_axes: slopes of shape {alpha.shape} have no equivalent; share height and width"
        )
    shared = alpha.size == 1 != x.shape[1]
    fields = {"channel_shared": True} if shared else {}
    return draft.one("PReLU", layer.name, x, blobs=[alpha.reshape(-1)], **fields)


@writes(layers.PReLU)
def own_prelu(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Caffe's."""
    alpha = keras.ops.convert_to_numpy(layer.alpha)
    fields = {"channel_shared": True} if layer.channel_shared else {}
    return draft.one("PReLU", layer.name, x, blobs=[alpha.reshape(-1)], **fields)


@writes(keras.layers.Softmax, layers.PixelwiseSoftmax)
def softmax_layer(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Along the channels."""
    if getattr(layer, "flatten", False) or getattr(layer, "axis", -1) not in (-1, len(x.shape) - 1):
        raise UnsupportedLayerError("only a softmax along the channels of a map is written")
    return softmax(draft, layer.name, x)


_ELEMENTWISE = {"AbsVal": "AbsVal", "Exp": "Exp", "Log": "Log", "Power": "Power"}


@writes(Elementwise)
def elementwise(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Caffe's functions, whose arguments have the names of their fields."""
    kind = type(layer).__name__
    if kind not in ("AbsVal", "Clip", "Exp", "Log", "Power", "Threshold"):
        raise UnsupportedLayerError("this kind has no Caffe equivalent")
    fields = {name: getattr(layer, name) for name in layer._arguments}
    return _kept(x, draft.one(kind, layer.name, x, **fields))


@writes(keras.layers.Rescaling)
def rescaling(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Power with one scale and offset; Scale with some for each channel."""
    scale, offset = np.asarray(layer.scale, np.float32), np.asarray(layer.offset, np.float32)
    if scale.size == offset.size == 1:
        fields = {"scale": float(scale), "shift": float(offset)}
        return _kept(x, draft.one("Power", layer.name, x, **fields))
    blobs = [np.broadcast_to(value, x.shape[1:2]) for value in (scale, offset)]
    return draft.one("Scale", layer.name, x, blobs=blobs, bias_term=True)


@writes(keras.layers.Dropout, keras.layers.SpatialDropout2D)
def dropout(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Dropout; where whole maps are dropped, nothing, as Caffe drops single elements."""
    if isinstance(layer, keras.layers.SpatialDropout2D):
        return x
    return _kept(x, draft.one("Dropout", layer.name, x, dropout_ratio=float(layer.rate)))


@writes(keras.layers.Identity, keras.layers.GaussianNoise, keras.layers.GaussianDropout)
def identity(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Nothing, in inference."""
    return x
