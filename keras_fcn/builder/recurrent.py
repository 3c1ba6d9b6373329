"""LSTM, RNN, LSTMUnit, and the Lstm of forks."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers import clipped_lstm as forks
from keras_fcn.caffe.layers import recurrent as caffe
from keras_fcn.caffe.net.network import Layer

_LAYERS: dict[type[LayerParams], type[keras.layers.Layer]] = {
    caffe.LSTM: layers.LSTM,
    caffe.RNN: layers.RNN,
}


@builds(*_LAYERS)
def recurrent(layer: Layer[caffe.Recurrent], *tensors: Any) -> Any:
    """A layer over (T, N, ...) with Caffe's indicators, static input and kept states."""
    params = layer.params
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


@builds(forks.StepsAndStreams, forks.StepsTimesStreams)
def clipped_lstm(layer: Layer[forks.ClippedLSTM], *tensors: Any) -> Any:
    """`ClippedLSTM`: an LSTM whose gradients may be cut, with a state if told what goes on."""
    params = layer.params
    return layers.ClippedLSTM(
        params.num_output,
        clipping_threshold=params.clipping_threshold,
        streams=params.batch_size if isinstance(params, forks.StepsTimesStreams) else None,
        kernel_initializer="zeros",
        bias_initializer="zeros",
        name=layer.keras_name,
    )(list(tensors))
