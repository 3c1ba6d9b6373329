"""Normalizations, scales and biases."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from convert.errors import UnsupportedLayerError
from convert.layers import layout
from keras_fcn import layers
from keras_fcn.to_caffe.draft import Blob, Draft
from keras_fcn.to_caffe.registry import writes


@writes(keras.layers.BatchNormalization)
def batch_normalization(layer: Any, draft: Draft, x: Blob) -> Blob:
    """BatchNorm, and Scale for gamma and beta."""
    x = draft.made(x)
    if keras.tree.flatten(layer.axis)[0] not in (-1, len(x.shape) - 1) or x.channels is not None:
        raise UnsupportedLayerError("only normalization of channels is written")
    mean, variance = (
        keras.ops.convert_to_numpy(w) for w in (layer.moving_mean, layer.moving_variance)
    )
    affine = layer.scale or layer.center
    y = draft.one(
        "BatchNorm",
        f"{layer.name}_norm" if affine else layer.name,
        x,
        blobs=layout.statistics_blobs(mean, variance),
        eps=float(layer.epsilon),
        moving_average_fraction=float(layer.momentum),
    )
    if not affine:
        return y
    gamma = keras.ops.convert_to_numpy(layer.gamma) if layer.scale else np.ones_like(mean)
    blobs = [gamma, keras.ops.convert_to_numpy(layer.beta)] if layer.center else [gamma]
    return draft.one("Scale", layer.name, y, blobs=blobs, bias_term=bool(layer.center))


@writes(layers.BatchNorm)
def batch_norm(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Caffe's."""
    return _normalized(layer, layer.name, draft, x)


@writes(layers.ScaledBatchNorm)
def scaled_batch_norm(layer: Any, draft: Draft, x: Blob) -> Blob:
    """BatchNorm, and Scale."""
    y = _normalized(layer, f"{layer.name}_norm", draft, x)
    affine = [layer.gamma, layer.beta] if layer.use_bias else [layer.gamma]
    blobs = [keras.ops.convert_to_numpy(weight) for weight in affine]
    return draft.one("Scale", layer.name, y, blobs=blobs, bias_term=layer.use_bias)


def _normalized(layer: Any, name: str, draft: Draft, x: Blob) -> Blob:
    fields: dict[str, Any] = {
        "eps": layer.eps,
        "moving_average_fraction": layer.moving_average_fraction,
    }
    if layer.use_global_stats is not None:
        fields["use_global_stats"] = layer.use_global_stats
    statistics = (layer.moving_mean, layer.moving_variance, layer.factor)
    weights = [keras.ops.convert_to_numpy(weight) for weight in statistics]
    return draft.one("BatchNorm", name, x, blobs=layout.statistics_blobs(*weights), **fields)


@writes(layers.Scale, layers.Bias)
def scale(layer: Any, draft: Draft, *bottoms: Blob) -> Blob:
    """A learned one, or by the second bottom."""
    learned = isinstance(layer, layers.Scale)
    fields: dict[str, Any] = {"axis": layer.axis}
    if len(bottoms) == 1:
        fields["num_axes"] = len(layer.shape)
    if learned:
        fields["bias_term"] = layer.use_bias
    if len(bottoms) > 1 and getattr(layer, "use_bias", False):
        raise UnsupportedLayerError("use_bias with a second input is not written")
    blobs = [keras.ops.convert_to_numpy(weight) for weight in layer.weights]
    if any(np.ndim(blob) > 1 for blob in blobs):
        raise UnsupportedLayerError(f"shape: {layer.shape} over several axes is not written")
    kind = "Scale" if learned else "Bias"
    return draft.one(kind, layer.name, *bottoms, blobs=blobs, **fields)


@writes(layers.LocalResponseNormalization)
def local_response_normalization(layer: Any, draft: Draft, x: Blob) -> Blob:
    """LRN."""
    fields = {name: getattr(layer, name) for name in ("local_size", "alpha", "beta", "k")}
    region = layer.norm_region.upper()
    return draft.one("LRN", layer.name, x, norm_region=region, **fields)


@writes(layers.MVN)
def mvn(layer: Any, draft: Draft, x: Blob) -> Blob:
    """MVN."""
    names = ("normalize_variance", "across_channels", "eps")
    return draft.one("MVN", layer.name, x, **{name: getattr(layer, name) for name in names})
