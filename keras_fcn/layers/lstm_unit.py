"""Caffe's LSTMUnit layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._gradients import own_gradient


@keras.saving.register_keras_serializable(package="keras_fcn")
class LSTMUnit(CaffeLayer):
    """One step of an LSTM, from its gates on.

    With the gates i, f, o and g, in this order before their sigmoids (g: tanh)::

        cells = cont * f * cells_before + i * g
        output = o * tanh(cells)

    Where `cont` lies between 0 and 1 the gradient of f is Caffe's, which takes
    cont * f for the sigmoid. `cont` gets none.

    Source: Caffe's `lstm_unit_layer.cpp`.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        The cells before, (1, units, N); the gates, (1, 4 * units, N); `cont`, (1, N).

    Output shape:
        The cells and the output, (1, units, N) each.
    """

    def call(self, inputs: Sequence[Any]) -> tuple[Any, Any]:
        """Cells and output of (cells, gates, cont)."""
        cells, gates, cont = inputs
        return lstm_unit(cells, gates, cont[:, None, :], axis=1)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> list[Any]:
        """Twice that of the cells."""
        return [tuple(input_shape[0])] * 2


def lstm_unit(cells: Any, gates: Any, cont: Any, axis: int) -> tuple[Any, Any]:
    """Cells and output of one step; the gates lie one behind the other along `axis`."""
    i, f, o, g = ops.split(gates, 4, axis=axis)
    cells = _forget(f, ops.stop_gradient(cont)) * cells + ops.sigmoid(i) * ops.tanh(g)
    return cells, ops.sigmoid(o) * ops.tanh(cells)


@own_gradient
def _forget(x: Any, cont: Any) -> Any:
    gate = cont * ops.sigmoid(x)

    return gate, lambda upstream: (upstream * gate * (1 - gate), None)
