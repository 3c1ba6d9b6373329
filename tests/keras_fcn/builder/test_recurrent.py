"""LSTM, RNN and LSTMUnit beyond the reference cases."""

from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import convert
import keras_fcn
from keras_fcn import layers
from keras_fcn.caffe.layers import Filler, recurrent
from tests.golden import assert_close, layer_case, to_caffe_order, to_channels_last
from tests.keras_fcn.layers.checks import assert_config_round_trip, normal

STEPS, STREAMS, UNITS = 5, 2, 3
STATEFUL = ["lstm_stateful_second_forward", "rnn_stateful_second_forward"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, cont, static, hidden, cells, kernel, bias, static_kernel, recurrent_kernel):
    """Caffe's LSTM step by step, (T, N, ...)."""
    tops = []
    for x_t, cont_t in zip(x, cont[..., None], strict=True):
        gates = x_t @ kernel + bias + static @ static_kernel + cont_t * hidden @ recurrent_kernel
        i, f, o, g = np.split(gates, 4, axis=1)
        cells = cont_t * sigmoid(f) * cells + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(cells)
        tops.append(hidden)
    return np.stack(tops), hidden, cells


def rnn(
    x, cont, static, hidden, kernel, bias, static_kernel, recurrent_kernel, output, output_bias
):
    """Caffe's RNN step by step, (T, N, ...)."""
    tops = []
    for x_t, cont_t in zip(x, cont[..., None], strict=True):
        drive = x_t @ kernel + bias + static @ static_kernel
        hidden = np.tanh(drive + cont_t * hidden @ recurrent_kernel)
        tops.append(np.tanh(hidden @ output + output_bias))
    return np.stack(tops), hidden


KINDS = pytest.mark.parametrize(
    ("kind", "reference", "states"), [(layers.LSTM, lstm, 2), (layers.RNN, rnn, 1)]
)


def inputs(steps=STEPS, streams=STREAMS):
    """x, cont with fractions, a static input; in Caffe's order."""
    cont = np.random.default_rng(3).random((steps, streams)).astype("float32")
    return normal(steps, streams, 2, 2), cont, normal(streams, 4, seed=1)


def built(layer, arrays):
    layer.build([to_channels_last(a).shape for a in arrays])
    layer.set_weights([normal(*w.shape, seed=i) for i, w in enumerate(layer.get_weights())])
    return layer


def tensors(arrays):
    return [tf.constant(to_channels_last(a)) for a in arrays]


@KINDS
@pytest.mark.parametrize("exposed", [False, True])
def test_static_input_fractions_and_states(kind, reference, states, exposed):
    x, cont, static = inputs()
    before = [normal(1, STREAMS, UNITS, seed=5 + i) for i in range(states)]
    given = [x, cont, static, *(before if exposed else ())]
    layer = built(kind(UNITS, expose_hidden=exposed), given)
    start = [h[0] if exposed else np.zeros((STREAMS, UNITS)) for h in before]
    flat = x.reshape(STEPS, STREAMS, 4)
    expected, *after = reference(flat, cont, static, *start, *layer.get_weights())
    specs = [tf.TensorSpec((None, *t.shape[1:])) for t in tensors(given)]
    function = tf.function(lambda *x: layer(list(x)), input_signature=specs)
    tops = function(*tensors(given))
    assert_close(to_caffe_order(tops[0] if exposed else tops), expected)
    for top, state in zip(tops[1:] if exposed else (), after, strict=exposed):
        assert_close(to_caffe_order(top), state[None])


@pytest.mark.slow
@KINDS
def test_gradients_in_a_graph_are_those_outside(kind, reference, states):
    arrays = inputs()
    layer = built(kind(UNITS), arrays)

    def run(*given):
        with tf.GradientTape() as tape:
            tape.watch(given)
            loss = tf.reduce_sum(layer(list(given)) ** 2)
        return tape.gradient(loss, [*given, *(v.value for v in layer.trainable_variables)])

    eager = run(*tensors(arrays))
    layer.reset_state()
    specs = [tf.TensorSpec((None, *t.shape[1:])) for t in tensors(arrays)]
    traced = tf.function(run, input_signature=specs)(*tensors(arrays))
    assert eager[1] is None, "cont has no gradient"
    for one, other in zip(eager, traced, strict=True):
        if one is not None:
            np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)


@KINDS
def test_exposed_states_have_no_gradient_as_in_caffe(kind, reference, states):
    before = [normal(1, STREAMS, UNITS) for _ in range(states)]
    arrays = [*inputs()[:2], *before]
    layer = built(kind(UNITS, expose_hidden=True), arrays)
    given = tensors(arrays)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(given)
        top, *after = layer(given)
    assert tape.gradient(top, given[2:]) == [None] * states
    assert tape.gradient(after, given) == [None] * len(given)


# States from call to call


@KINDS
def test_two_calls_are_one_of_twice_the_steps(kind, reference, states):
    x, cont, static = inputs(2 * STEPS)
    layer = built(kind(UNITS), (x, cont, static))
    whole = layer(tensors((x, cont, static)))
    layer.reset_state()
    halves = [
        layer(tensors((x[part], cont[part], static))) for part in (slice(STEPS), slice(STEPS, None))
    ]
    np.testing.assert_allclose(np.concatenate(halves), whole, rtol=1e-5, atol=1e-6)


@KINDS
def test_other_numbers_of_streams_start_from_zero_and_leave_no_trace(kind, reference, states):
    arrays, others = inputs(), inputs(streams=4)
    layer = built(kind(UNITS), arrays)
    first = layer(tensors(arrays))
    assert_close(layer(tensors(others)), layer(tensors(others)))
    second = layer(tensors(arrays))
    layer.reset_state()
    np.testing.assert_array_equal(layer(tensors(arrays)), first)
    np.testing.assert_array_equal(layer(tensors(arrays)), second)
    assert np.abs(second - first).max() > 1e-3


@KINDS
def test_unknown_number_of_streams(kind, reference, states):
    arrays = inputs()[:2]
    layer = kind(UNITS)
    layer.build([(None, 2, 2, None), (None, None)])
    np.testing.assert_array_equal(layer(tensors(arrays)), layer(tensors(arrays)))
    with pytest.raises(ValueError, match=r"sizes of a step must be known\. Received: \(None, 2\)"):
        kind(UNITS).build([(None, None, 2, 3), (None, 3)])


@KINDS
def test_states_are_variables_but_no_weights(kind, reference, states):
    layer = built(kind(UNITS), inputs())
    assert len(layer.variables) == len(layer.weights) + states
    assert layer.weights == layer.trainable_weights
    assert [v.shape for v in layer.non_trainable_variables] == [(STREAMS, UNITS)] * states
    layer.trainable = False
    assert layer.trainable_variables == []
    assert layer.non_trainable_weights == layer.weights


@pytest.mark.slow
@pytest.mark.parametrize("name", STATEFUL)
def test_a_saved_model_goes_on_where_it_was(name, tmp_path):
    case = layer_case(name)
    model = keras_fcn.from_caffe(case.prototxt, case.weights)
    keras_fcn.blobs(model, case.inputs)
    model.save(tmp_path / "net.keras")
    keras_fcn.export(model, tmp_path / "served")
    again = keras.models.load_model(tmp_path / "net.keras")
    second = case.second_outputs["out"]
    assert_close(keras_fcn.blobs(again, case.inputs)["out"], second)
    serve = tf.saved_model.load(tmp_path / "served").signatures["serving_default"]
    fed = {blob: tf.constant(to_channels_last(array)) for blob, array in case.inputs.items()}
    assert_close(to_caffe_order(serve(**fed)["layer"]), second)
    third = keras_fcn.blobs(again, case.inputs)["out"]
    assert_close(to_caffe_order(serve(**fed)["layer"]), third)
    assert np.abs(third - second).max() > 1e-4


@pytest.mark.parametrize("name", STATEFUL)
def test_predict_goes_on_too(name):
    case = layer_case(name)
    model = keras_fcn.from_caffe(case.prototxt, case.weights)
    fed = [to_channels_last(case.inputs[blob]) for blob in ("x", "cont")]
    assert_close(to_caffe_order(model.predict(fed, verbose=0)), case.outputs["out"])
    assert_close(to_caffe_order(model.predict(fed, verbose=0)), case.second_outputs["out"])


@pytest.mark.parametrize("name", ["lstm_static", "rnn_static"])
def test_converted_weights_load_by_name_and_come_back(name, tmp_path):
    case = layer_case(name)
    expected = keras_fcn.from_caffe(case.prototxt, case.weights)
    convert.convert(case.prototxt, case.weights, tmp_path / "net.h5")
    for load in (keras_fcn.load_weights, lambda m, path: m.load_weights(path, by_name=True)):
        model = keras_fcn.from_caffe(case.prototxt)
        load(model, tmp_path / "net.h5")
        for one, other in zip(model.weights, expected.weights, strict=True):
            np.testing.assert_array_equal(one, other)
    with h5py.File(tmp_path / "net.h5") as file:
        assert "layer" in file
    layer = convert.load_network(case.prototxt).layer("layer")
    stored = convert.load_weights(case.weights)["layer"]
    arrays = [v.numpy() for v in expected.get_layer("layer").weights]
    for blob, back in zip(stored, layer.params.caffe_blobs(arrays, None), strict=True):
        np.testing.assert_array_equal(back, blob)


def test_fillers_are_in_the_blobs_order():
    fillers = {
        "weight_filler": Filler(value=1),
        "bias_filler": Filler(value=2),
    }

    def values(cls, static):
        params = cls(num_output=2, static_input=static, **fillers)
        shapes = params.weight_shapes(((3, 2, 4), (3, 2), (2, 5)))
        kinds = [2 if len(shape) == 1 else 1 for shape in shapes]
        return [filler.value for filler in params.fillers()] == kinds

    assert all(
        values(cls, static) for cls in (recurrent.LSTM, recurrent.RNN) for static in (False, True)
    )


@KINDS
def test_mixed_precision(kind, reference, states):
    x, cont, static = inputs()
    layer = built(kind(UNITS, dtype=keras.DTypePolicy("mixed_float16")), (x, cont, static))
    start = [np.zeros((STREAMS, UNITS))] * states
    flat = x.reshape(STEPS, STREAMS, 4)
    expected, *_ = reference(flat, cont, static, *start, *layer.get_weights())
    top = layer(tensors((x, cont, static)))
    assert top.dtype == "float16"
    assert_close(to_caffe_order(top), expected, 2e-2)


@pytest.mark.parametrize(
    "layer", [layers.LSTM(4, expose_hidden=True), layers.RNN(3, bias_initializer="ones")]
)
def test_configurations(layer):
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config
    assert_config_round_trip(layers.LSTMUnit())


# LSTMUnit


def test_gradient_of_a_fractional_cont_is_caffes():
    cells, gates, cont = normal(1, 2, 3), normal(1, 2, 12, seed=1), np.float32([[0.25, 1]])
    given = tensors((cells, gates, cont))
    with tf.GradientTape() as tape:
        tape.watch(given)
        top = layers.LSTMUnit()(given)[0]
    by_cells, by_gates, by_cont = tape.gradient(top, given)
    i, f, _, g = np.split(gates, 4, axis=2)
    forget = cont[..., None] * sigmoid(f)
    i, g = sigmoid(i), np.tanh(g)
    expected = [g * i * (1 - i), cells * forget * (1 - forget), 0 * i, i * (1 - g * g)]
    assert_close(to_caffe_order(by_cells), forget)
    assert_close(to_caffe_order(by_gates), np.concatenate(expected, axis=2))
    assert by_cont is None


# Errors


def load(folder, *shapes, layer):
    dims = [" ".join(f"dim: {size}" for size in shape) for shape in shapes]
    inputs = [
        f'layer {{ name: "in{i}" type: "Input" top: "in{i}" input_param {{ shape {{ {d} }} }} }}'
        for i, d in enumerate(dims)
    ]
    bottoms = " ".join(f'bottom: "in{i}"' for i in range(len(shapes)))
    text = "\n".join([*inputs, f'layer {{ name: "l" {bottoms} {layer} }}'])
    (folder / "net.prototxt").write_text(text)
    return convert.load_network(folder / "net.prototxt")


LSTM = 'type: "LSTM" top: "t" recurrent_param { num_output: 4 }'
EXPOSED = (
    'type: "LSTM" top: "t" top: "h" top: "c" recurrent_param { num_output: 4 expose_hidden: true }'
)
UNIT = 'type: "LSTMUnit" top: "c" top: "h"'


@pytest.mark.parametrize(
    ("shapes", "layer", "message"),
    [
        ([(5, 2, 3), (5, 2)], 'type: "RNN" top: "t"', "'num_output' is missing"),
        ([(5, 2, 3), (5, 2)], LSTM.replace("4", "0"), "num_output: 0 must be at least 1"),
        ([(5, 2), (5, 2)], LSTM, "3 axes or more \\(T, N, ...\\), got shape \\(5, 2\\)"),
        ([(5, 2, 3), (5, 3)], LSTM, "second bottom must have shape \\(5, 2\\), got \\(5, 3\\)"),
        ([(5, 2, 3), (5, 2, 1)], LSTM, "second bottom must have shape"),
        ([(5, 2, 3), (5, 2), (3, 4)], LSTM, "static input must have shape \\(2,\\), got \\(3,\\)"),
        ([(5, 2, 3), (5, 2), (2,)], LSTM, "a static input with 2 axes or more"),
        ([(5, 2, 3)], LSTM, "expose_hidden: False: needs 2 or 3 bottoms and 1 tops, has 1 and 1"),
        ([(5, 2, 3), (5, 2)], EXPOSED, "expose_hidden: True: needs 4 or 5 bottoms and 3 tops"),
        ([(5, 2, 3), (5, 2), (1, 2, 4), (1, 2, 3)], EXPOSED, "\\(1, 2, 4\\), got \\(1, 2, 3\\)"),
        ([(1, 2, 3), (1, 2, 11), (1, 2)], UNIT, "gates must have shape \\(1, 2, 12\\)"),
        ([(2, 2, 3), (2, 2, 12), (2, 2)], UNIT, "first axis must have shape \\(1,\\)"),
        ([(1, 2, 3), (1, 2, 12), (1, 3)], UNIT, "third bottom must have shape \\(1, 2\\)"),
    ],
)
def test_refused(shapes, layer, message, tmp_path):
    with pytest.raises(convert.CaffeError, match=f"net.prototxt:.*layer 'l' .*{message}"):
        load(tmp_path, *shapes, layer=layer)
