"""LSTM, RNN and LSTMUnit."""

from __future__ import annotations

from typing import Any

import keras

from convert.layers import LayerParams
from convert.layers import recurrent as caffe
from convert.network import Layer
from keras_fcn import layers
from keras_fcn.builder.registry import builds

_LAYERS: dict[type[LayerParams], type[keras.layers.Layer]] = {
    caffe.LSTM: layers.LSTM,
    caffe.RNN: layers.RNN,
}


@builds(*_LAYERS)
def recurrent(layer: Layer, *tensors: Any) -> Any:
    """A layer over (T, N, ...) with Caffe's indicators, static input and kept states."""
    params: caffe.Recurrent = layer.params  # type: ignore[assignment]
    tops = _LAYERS[type(params)](
        params.num_output,
        expose_hidden=params.expose_hidden,
        kernel_initializer="zeros",
        bias_initializer="zeros",
        name=layer.keras_name,
    )(list(tensors))
    return tuple(tops) if isinstance(tops, list | tuple) else tops


@builds(caffe.LSTMUnit)
def lstm_unit(layer: Layer, *tensors: Any) -> Any:
    """One step of an LSTM."""
    return tuple(layers.LSTMUnit(name=layer.keras_name)(list(tensors)))
