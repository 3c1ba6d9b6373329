"""LSTM, RNN, LSTMUnit, and the Lstm of forks, from zero states on.

Caffe's indicators, which ONNX' own LSTM lacks, need a Scan.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.caffe.layers.base import Array
from keras_fcn.caffe.layers.clipped_lstm import ClippedLSTM, StepsAndStreams, StepsTimesStreams
from keras_fcn.caffe.layers.recurrent import LSTM, RNN, LSTMUnit, Recurrent
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.registry import to_onnx

_ONNX_GATES = (0, 2, 1, 3)
"""Input, output, forget, candidate, by their places in Caffe."""


@to_onnx(LSTM, RNN)
def recurrent(
    layer: Layer[Recurrent], graph: LayerGraph, x: str, cont: str, *others: str
) -> tuple[str, ...]:
    """Steps over T; states come in and go out where they are exposed, else begin at zero."""
    params = layer.params
    blobs = dict(zip(params.weights, graph.blobs, strict=True))
    drive = _product(graph, graph.reshape(x, 0, 0, -1), blobs["kernel"], blobs["bias"])
    rest = list(others)
    if params.static_input:
        static = graph.add("Flatten", rest.pop(0), axis=1)
        drive = graph.add("Add", drive, _product(graph, static, blobs["static_kernel"]))
    if params.expose_hidden:
        before = [graph.squeeze(state, 0) for state in rest]
    else:
        before = _from_zero(layer, graph, drive, params.num_output, params.states)
    cont = graph.unsqueeze(cont, 2)
    *after, every = _run(graph, drive, cont, before, blobs["recurrent_kernel"])
    if isinstance(params, RNN):
        every = _product(graph, every, blobs["output_kernel"], blobs["output_bias"])
        every = graph.add("Tanh", every)
    exposed = after if params.expose_hidden else []
    return (every, *(graph.unsqueeze(state, 0) for state in exposed))


@to_onnx(StepsAndStreams)
def steps_and_streams(
    layer: Layer[StepsAndStreams], graph: LayerGraph, x: str, *goes_on: str
) -> str:
    """Steps and streams have an axis each."""
    return _clipped_lstm(layer, graph, graph.reshape(x, 0, 0, -1), goes_on)


@to_onnx(StepsTimesStreams)
def steps_times_streams(
    layer: Layer[StepsTimesStreams], graph: LayerGraph, x: str, *goes_on: str
) -> str:
    """Steps and streams share an axis."""
    units, inputs = layer.params.num_output, graph.blobs[0].shape[1]
    apart = graph.reshape(x, -1, layer.params.batch_size, inputs)
    return graph.reshape(_clipped_lstm(layer, graph, apart, goes_on), -1, units)


def _clipped_lstm(
    layer: Layer[ClippedLSTM], graph: LayerGraph, x: str, goes_on: Sequence[str]
) -> str:
    """Of (T, N, inputs); ONNX' own LSTM where nothing tells what goes on."""
    units = layer.params.num_output
    kernel, recurrent_kernel, bias = graph.blobs
    if goes_on:
        drive = _product(graph, x, kernel, bias)
        sizes = graph.add("Concat", graph.sizes(drive, 0, 2), graph.ints([1]), axis=0)
        cont = graph.add("Reshape", goes_on[0], sizes)
        before = _from_zero(layer, graph, drive, units, LSTM.states)
        return _run(graph, drive, cont, before, recurrent_kernel)[-1]
    zeros = np.zeros_like(bias)
    weights = [_in_onnx_order(blob) for blob in (kernel, recurrent_kernel, bias, zeros)]
    both = np.concatenate([weights[2], weights[3]])[None]
    inputs = (graph.floats(array) for array in (weights[0][None], weights[1][None], both))
    every = graph.add("LSTM", x, *inputs, hidden_size=units)
    return graph.squeeze(every, 1)


def _in_onnx_order(blob: Array) -> Array:
    gates = blob.reshape(len(_ONNX_GATES), -1, *blob.shape[1:])
    return gates[list(_ONNX_GATES)].reshape(blob.shape)


@to_onnx(LSTMUnit)
def lstm_unit(
    layer: Layer[LSTMUnit], graph: LayerGraph, cells: str, gates: str, cont: str
) -> tuple[str, str]:
    """One step from its gates on."""
    return _unit(graph, cells, gates, graph.unsqueeze(cont, 2))


def _unit(graph: LayerGraph, cells: str, gates: str, cont: str) -> tuple[str, str]:
    """Cells and output of one step; the gates lie one behind the other along the last axis."""
    i, f, o, g = graph.add_several(4, "Split", gates, axis=-1)
    i, f, o = (graph.add("Sigmoid", gate) for gate in (i, f, o))
    kept = graph.add("Mul", graph.add("Mul", cont, f), cells)
    cells = graph.add("Add", kept, graph.add("Mul", i, graph.add("Tanh", g)))
    return cells, graph.add("Mul", o, graph.add("Tanh", cells))


def _run(
    graph: LayerGraph, drive: str, cont: str, before: Sequence[str], kernel: Array
) -> tuple[str, ...]:
    """The states after the last step, and the hidden ones after each.

    Args:
        graph: where to add.
        drive: what drives the gates, (T, N, gates * units).
        cont: the indicators, (T, N, 1).
        before: the hidden state, of an LSTM the cells too, (N, units).
        kernel: of the hidden state.
    """

    def step(body: LayerGraph, *given: str) -> tuple[str, ...]:
        hidden, *cells, drive, cont = given
        going_on = body.add("Mul", cont, hidden)
        drive = body.add("Add", drive, _product(body, going_on, kernel))
        if not cells:
            hidden = body.add("Tanh", drive)
            return hidden, body.add("Identity", hidden)
        after, hidden = _unit(body, cells[0], drive, cont)
        return hidden, after, body.add("Identity", hidden)

    return graph.scan(step, before, (drive, cont))


def _from_zero(layer: Layer, graph: LayerGraph, drive: str, units: int, count: int) -> list[str]:
    """So many states before the first step, which are not those after the run before."""
    warnings.warn(
        f"{layer.place}: a run of an ONNX file begins at zero states; Caffe goes on from those of "
        "the pass before where the second bottom says so",
        CaffeWarning,
        stacklevel=2,
    )
    sizes = graph.add("Concat", graph.sizes(drive, 1, 2), graph.ints([units]), axis=0)
    return [graph.add("Expand", graph.floats(0.0), sizes)] * count


def _product(graph: LayerGraph, x: str, kernel: Array, bias: Array | None = None) -> str:
    """With a kernel in Caffe's layout, (outputs, inputs)."""
    y = graph.add("MatMul", x, graph.floats(np.ascontiguousarray(kernel.T)))
    return y if bias is None else graph.add("Add", y, graph.floats(bias))
