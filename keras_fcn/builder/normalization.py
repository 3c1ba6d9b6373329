"""Normalization layers."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers import normalization as caffe
from keras_fcn.caffe.net.network import Layer

# Layers whose arguments are the fields of the Caffe type.
_LAYERS: dict[type[LayerParams], type[keras.layers.Layer]] = {
    caffe.BatchNorm: layers.BatchNorm,
    caffe.GRN: layers.GRN,
    caffe.LRN: layers.LocalResponseNormalization,
    caffe.MVN: layers.MVN,
}


@builds(*_LAYERS)
def normalization(layer: Layer, x: Any) -> Any:
    """A layer with the same arguments; labels of enums are in lower case in Keras."""
    arguments = {
        name: value.lower() if isinstance(value, str) else value
        for name, value in dataclasses.asdict(layer.params).items()
    }
    return _LAYERS[type(layer.params)](**arguments, name=layer.keras_name)(x)


@builds(caffe.ScaledBatchNorm)
def scaled_batch_norm(layer: Layer[caffe.ScaledBatchNorm], x: Any) -> Any:
    """As in the forks that have scale and bias in the same layer."""
    params = layer.params
    return layers.ScaledBatchNorm(
        params.bias_term,
        use_global_stats=params.use_global_stats,
        moving_average_fraction=params.moving_average_fraction,
        eps=params.eps,
        name=layer.keras_name,
    )(x)
