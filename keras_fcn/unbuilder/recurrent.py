"""Recurrent layers."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.caffe.layers import LayerParams, clipped_lstm
from keras_fcn.caffe.layers import recurrent as caffe
from keras_fcn.unbuilder.inputs import input_shapes
from keras_fcn.unbuilder.registry import alike, unbuilds, unbuilds_alike

_KINDS: dict[type, type[caffe.Recurrent]] = {layers.LSTM: caffe.LSTM, layers.RNN: caffe.RNN}
_SEQUENCE = 2  # bottoms: x and its indicators

unbuilds_alike({layers.LSTMUnit: caffe.LSTMUnit})


@unbuilds(*_KINDS)
def recurrent(layer: Any) -> LayerParams:
    """A third bottom is the static input; what the states begin with comes behind it."""
    kind = next(_KINDS[cls] for cls in type(layer).__mro__ if cls in _KINDS)
    begins = layer.expose_hidden * len(layer.states)
    return kind(
        num_output=layer.units,
        expose_hidden=layer.expose_hidden,
        static_input=len(input_shapes(layer)) - begins > _SEQUENCE,
    )


@unbuilds(layers.ClippedLSTM)
def clipped(layer: Any) -> LayerParams:
    """CTPN's, or caffe-lstm's, whose steps and streams share an axis."""
    if layer.streams is None:
        return alike(layer, clipped_lstm.StepsAndStreams, num_output="units")
    return alike(layer, clipped_lstm.StepsTimesStreams, num_output="units", batch_size="streams")
