"""Normalizations, and fixed scales and shifts."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_fcn import layers
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import layout
from keras_fcn.to_caffe import operands
from keras_fcn.to_caffe.draft import Blob, Draft, array
from keras_fcn.to_caffe.registry import writes
from keras_fcn.to_caffe.unbuilt import unbuilt


@writes(keras.layers.BatchNormalization)
def batch_normalization(layer: Any, draft: Draft, x: Blob) -> Blob:
    """BatchNorm, and Scale for gamma and beta."""
    x = draft.made(x)
    if keras.tree.flatten(layer.axis)[0] not in (-1, len(x.final_shape) - 1):
        raise UnsupportedLayerError(f"axis: {layer.axis}: only channels are normalized in Caffe")
    mean, variance = (x.arranged(array(w)) for w in (layer.moving_mean, layer.moving_variance))
    affine = layer.scale or layer.center
    y = draft.each(
        "BatchNorm",
        f"{layer.name}_norm" if affine else layer.name,
        x,
        blobs=layout.statistics_blobs(mean, variance),
        eps=float(layer.epsilon),
        moving_average_fraction=float(layer.momentum),
    )
    if not affine:
        return y
    gamma = x.arranged(array(layer.gamma)) if layer.scale else np.ones_like(mean)
    blobs = [gamma, x.arranged(array(layer.beta))] if layer.center else [gamma]
    return draft.each("Scale", layer.name, y, blobs=blobs, bias_term=bool(layer.center))


@writes(layers.ScaledBatchNorm)
def scaled_batch_norm(layer: Any, draft: Draft, x: Blob) -> Blob:
    """BatchNorm, and Scale."""
    statistics = (layer.moving_mean, layer.moving_variance, layer.factor)
    y = draft.one(
        "BatchNorm",
        f"{layer.name}_norm",
        x,
        blobs=layout.statistics_blobs(*map(array, statistics)),
        eps=layer.eps,
        moving_average_fraction=layer.moving_average_fraction,
        use_global_stats=layer.use_global_stats,
    )
    affine = [layer.gamma, layer.beta] if layer.use_bias else [layer.gamma]
    blobs = [array(weight) for weight in affine]
    return draft.one("Scale", layer.name, y, blobs=blobs, bias_term=layer.use_bias)


@writes(layers.BN)
def bn(layer: Any, draft: Draft, x: Blob) -> Any:
    """SegNet's: a Scale, once the statistics are worked into it."""
    if layer.mode != "inference":  # it normalizes by the batch
        return unbuilt(layer, draft, x)
    blobs = [array(layer.scale), array(layer.shift)]
    return draft.one("Scale", layer.name, x, blobs=blobs, bias_term=True)


@writes(keras.layers.Normalization)
def normalization(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Fixed means and deviations, in Keras' order of steps."""
    if layer.mean is None:
        raise UnsupportedLayerError("it has no mean yet; call adapt, or give mean and variance")
    deviation = np.sqrt(np.asarray(array(layer.variance), np.float32))
    deviation = np.maximum(deviation, np.float32(keras.config.epsilon()))
    mean = np.asarray(array(layer.mean), np.float32)
    if layer.invert:
        x = operands.times(draft, f"{layer.name}_scaled", x, deviation)
        return operands.plus(draft, layer.name, x, mean)
    x = operands.plus(draft, f"{layer.name}_centred", x, -mean)
    return operands.times(draft, layer.name, x, 1 / deviation)


@writes(keras.layers.Rescaling)
def rescaling(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Numbers, or arrays of them."""
    return operands.scaled(draft, layer.name, x, layer.scale, layer.offset)


@writes(keras.layers.UnitNormalization)
def unit_normalization(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Refused."""
    raise UnsupportedLayerError("Caffe has no division by a norm")
