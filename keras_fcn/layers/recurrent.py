"""Caffe's LSTM and RNN layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._recurrent import Recurrent, Shape
from keras_fcn.layers.lstm_unit import lstm_unit


@keras.saving.register_keras_serializable(package="keras_fcn")
class RNN(Recurrent):
    """A simple recurrent network over N independent streams of T steps.

    With the input x, the hidden state h and the output o of a step::

        h = tanh(x W + static W_static + cont h W_recurrent + b)
        o = tanh(h W_output + b_output)

    `cont` says how much of the state before goes on: 0 where a sequence begins, else 1.

    The layer remembers the states after the last step, and a next call goes on from them
    where its first `cont` is not 0; gradients do not pass from call to call. It does so
    for the number of streams it was built with; calls with other numbers start from zero
    and are not remembered. A saved or exported model takes the states along. With
    `expose_hidden` states come in and go out instead, as in Caffe without gradients.

    Source: Caffe's `recurrent_layer.cpp`, `rnn_layer.cpp`.

    Args:
        units: number of units.
        expose_hidden: take states as inputs and give them as outputs.
        kernel_initializer: of all matrices.
        bias_initializer: of all biases.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        x (T, ..., N), Caffe's (T, N, ...) with the second axis last; cont (T, N);
        optionally a static input (N, ...), the same for all steps; with
        `expose_hidden` each state, (1, units, N).

    Output shape:
        (T, units, N), and with `expose_hidden` each state, (1, units, N).

    Raises:
        ValueError: unknown sizes of a step.
    """

    def build(self, input_shape: Sequence[Shape]) -> None:
        """Make the weights and the states."""
        super().build(input_shape)
        self.output_kernel = self._kernel("output_kernel", (self.units,), self.units)
        self.output_bias = self._bias("output_bias", self.units)

    def next_states(self, states: Sequence[Any], drive: Any, cont: Any) -> list[Any]:
        """The hidden state."""
        return [ops.tanh(drive)]

    def top(self, hidden: Any) -> Any:
        return ops.tanh(ops.matmul(hidden, self.output_kernel) + self.output_bias)


@keras.saving.register_keras_serializable(package="keras_fcn")
class LSTM(Recurrent):
    """A long short-term memory over N independent streams of T steps.

    A step is that of `LSTMUnit`, whose gates are driven by the input, the static
    input and the hidden state: x W + static W_static + cont h W_recurrent + b. The output
    is the hidden state. States (hidden, cells), arguments, shapes and errors are those of
    `RNN`.

    Source: Caffe's `recurrent_layer.cpp`, `lstm_layer.cpp`; Donahue et al.,
    "Long-term Recurrent Convolutional Networks for Visual Recognition and Description".
    """

    gates = 4
    states = ("hidden", "cells")

    def next_states(self, states: Sequence[Any], drive: Any, cont: Any) -> list[Any]:
        """The hidden state and the cells."""
        cells, hidden = lstm_unit(states[1], drive, cont, axis=-1)
        return [hidden, cells]
