"""CTPN: its Lstm, its text proposals, and the whole of its network, against numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

import convert
import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from tests.golden import assert_close, to_channels_last
from tests.keras_fcn.builder.forks import assert_survives, built, net

UNITS = 3


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, kernel, recurrent, bias, goes_on=None, hidden=None, cells=None):
    """Step by step, stream by stream; x is (T, N, inputs), the weights are in Caffe's layout."""
    steps, streams, _ = x.shape
    units = recurrent.shape[1]
    top = np.zeros((steps, streams, units))
    last = np.zeros((2, streams, units))
    for n in range(streams):
        h = np.zeros(units) if hidden is None else hidden[n]
        c = np.zeros(units) if cells is None else cells[n]
        for t in range(steps):
            on = float(t > 0) if goes_on is None else goes_on[t, n]
            gates = kernel @ x[t, n] + bias + on * (recurrent @ h)
            i, f, o, g = np.split(gates, 4)
            c = on * sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = top[t, n] = sigmoid(o) * np.tanh(c)
        last[:, n] = h, c
    return top, last


def lstm_gradients(x, kernel, recurrent, bias, upstream, limit):
    """Gradients of sum(top * upstream) for x and the weights, those of the gates cut."""
    steps, streams, _ = x.shape
    units = recurrent.shape[1]
    found = [np.zeros(a.shape) for a in (x, kernel, recurrent, bias)]
    for n in range(streams):
        h, c, trace = np.zeros(units), np.zeros(units), []
        for t in range(steps):
            i, f, o, g = np.split(kernel @ x[t, n] + bias + recurrent @ h, 4)
            i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
            trace.append((i, f, o, g, h, c))
            c = f * c + i * g
            trace[-1] += (c,)
            h = o * np.tanh(c)
        to_h, to_c = np.zeros(units), np.zeros(units)
        for t in reversed(range(steps)):
            i, f, o, g, h_before, c_before, c = trace[t]
            to_h = to_h + upstream[t, n]
            to_c = to_c + to_h * o * (1 - np.tanh(c) ** 2)
            parts = (
                to_c * g * i * (1 - i),
                to_c * c_before * f * (1 - f),
                to_h * np.tanh(c) * o * (1 - o),
                to_c * i * (1 - g**2),
            )
            gates = np.concatenate(parts)
            if limit > 0:
                gates = np.clip(gates, -limit, limit)
            found[0][t, n] = kernel.T @ gates
            found[1] += np.outer(gates, x[t, n])
            found[2] += np.outer(gates, h_before)
            found[3] += gates
            to_h, to_c = recurrent.T @ gates, to_c * f
    return found


def weights(inputs, units=UNITS):
    shapes = ((4 * units, inputs), (4 * units, units), (4 * units,))
    return [normal(*shape, seed=index + 1) for index, shape in enumerate(shapes)]


def with_weights(folder, fields, blobs, dialect=None, **inputs):
    """A network of one Lstm with these weights."""
    path = net(folder, f'type: "Lstm" lstm_param {{ num_output: {UNITS} {fields} }}', **inputs)
    convert.write_caffemodel(folder / "net.caffemodel", path, {"l": blobs})
    return keras_fcn.from_caffe(path, folder / "net.caffemodel", dialect=dialect)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(5, 2, 4), (4, 1, 2, 3), (3, 4, 2, 1, 2)])
def test_lstm(shape, tmp_path):
    blobs = weights(math.prod(shape[2:]))
    model = with_weights(tmp_path, "", blobs, x=shape)
    x = normal(*shape)
    wanted, _ = lstm(x.reshape(*shape[:2], -1), *blobs)
    assert_close(keras_fcn.blobs(model, x)["y"], wanted)
    assert_close(keras_fcn.blobs(model, x)["y"], wanted)  # nothing is kept
    assert convert.load_network(tmp_path / "net.prototxt").outputs[0].shape == wanted.shape
    assert_survives(model, {"x": x}, tmp_path)


@pytest.mark.parametrize("limit", [0, 0.05, 1])
def test_gradients_of_the_gates_are_cut(limit, tmp_path):
    blobs = weights(4)
    model = with_weights(tmp_path, f"clipping_threshold: {limit}", blobs, x=(5, 2, 4))
    x, upstream = normal(5, 2, 4), normal(5, 2, UNITS, seed=9)
    inputs = tf.constant(to_channels_last(x))
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(model(inputs) * to_channels_last(upstream))
    found = tape.gradient(loss, [inputs, *(v.value for v in model.trainable_variables)])
    wanted = lstm_gradients(x, *blobs, upstream, limit)
    uncut = lstm_gradients(x, *blobs, upstream, 0)
    assert (limit in (0, 1)) or not np.allclose(wanted[1], uncut[1])
    assert_close(np.moveaxis(found[0].numpy(), -1, 1), wanted[0])
    for one, other in zip(found[1:], wanted[1:], strict=True):
        assert_close(one.numpy().T, other)


@pytest.mark.parametrize("shape", [(8,), (8, 1), (4, 2)])
def test_lstm_told_what_goes_on_keeps_its_state(shape, tmp_path):
    blobs = weights(3)
    model = with_weights(tmp_path, "", blobs, x=(4, 2, 3), on=shape)
    x, on = normal(4, 2, 3), np.array([[0, 0], [1, 1], [0, 1], [1, 1]], "float32")
    wanted, last = lstm(x, *blobs, on)
    assert_close(keras_fcn.blobs(model, {"x": x, "on": on.reshape(shape)})["y"], wanted)
    on[0] = 0, 1
    wanted, _ = lstm(x, *blobs, on, *last)
    assert_close(keras_fcn.blobs(model, {"x": x, "on": on.reshape(shape)})["y"], wanted)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("shape", [(6, 4), (6, 2, 1, 3), (6, 1, 1, 1)])
@pytest.mark.parametrize("streams", [1, 2, 3])
def test_lstm_of_steps_times_streams(streams, shape, tmp_path):
    blobs = weights(math.prod(shape[1:]))
    model = with_weights(tmp_path, f"batch_size: {streams}", blobs, x=shape)
    x = normal(*shape)
    wanted, _ = lstm(x.reshape(-1, streams, math.prod(shape[1:])), *blobs)
    assert_close(keras_fcn.blobs(model, x)["y"], wanted.reshape(6, UNITS))
    if streams == 2:
        assert_survives(model, {"x": x}, tmp_path)


def test_lstm_of_steps_times_streams_keeps_its_state(tmp_path):
    blobs = weights(3)
    model = with_weights(tmp_path, "batch_size: 2", blobs, x=(8, 3), on=(8,))
    x, on = normal(8, 3), np.array([[0, 0], [1, 1], [0, 1], [1, 1]], "float32")
    wanted, last = lstm(x.reshape(4, 2, 3), *blobs, on)
    assert_close(keras_fcn.blobs(model, {"x": x, "on": on.ravel()})["y"], wanted.reshape(8, UNITS))
    on[0] = 1, 0
    wanted, _ = lstm(x.reshape(4, 2, 3), *blobs, on, *last)
    assert_close(keras_fcn.blobs(model, {"x": x, "on": on.ravel()})["y"], wanted.reshape(8, UNITS))


def test_the_dialect_chooses(tmp_path):
    blobs = weights(4)
    model = with_weights(tmp_path, "", blobs, dialect="caffe-lstm", x=(6, 4))
    x = normal(6, 4)
    wanted, _ = lstm(x[:, None], *blobs)
    assert_close(keras_fcn.blobs(model, x)["y"], wanted[:, 0])


def test_weights_without_a_prototxt(tmp_path):
    blobs = weights(4)
    with_weights(tmp_path, "", blobs, x=(5, 2, 4))
    report = convert.convert(None, tmp_path / "net.caffemodel", tmp_path / "net.h5")
    assert report.layers[0].keras_shapes == ((4, 12), (3, 12), (12,))


@pytest.mark.parametrize(
    ("fields", "inputs", "message"),
    [
        ("", {"x": (6, 4)}, "3 axes or more.* with dialect='caffe-lstm' time steps and streams"),
        ("batch_size: 4", {"x": (6, 4)}, "batch_size: 4 does not divide the 6 rows"),
        ("", {"x": (6, 2, 4), "on": (6,)}, "must hold 12 numbers"),
        ("batch_size: 2", {"x": (6, 4), "on": (5,)}, "must hold 6 numbers"),
        ("batch_size: 0", {"x": (6, 4)}, "batch_size: 0 must be at least 1"),
    ],
)
def test_wrong_lstm(fields, inputs, message, tmp_path):
    with pytest.raises(CaffeError, match=message):
        built(tmp_path, f'type: "Lstm" lstm_param {{ num_output: 3 {fields} }}', **inputs)


def text_boxes(scores, deltas, image, stride):
    """As CTPN's layer goes, anchor by anchor, under Python 2: whole numbers divide to such."""
    boxes, kept = [], []
    for y in range(scores.shape[2]):
        for x in range(scores.shape[3]):
            for anchor, high in enumerate([11, 16, 23, 33, 48, 68, 97, 139, 198, 283]):
                top, bottom = (int(7.5 + sign * (high // 2)) + y * stride for sign in (-1, 1))
                left, right = (int(7.5 + sign * 8) + x * stride for sign in (-1, 1))
                move, stretch = deltas[0, 2 * anchor : 2 * anchor + 2, y, x]
                height = bottom - top + 1.0
                new = math.exp(stretch) * height
                first = move * height + (top + bottom) / 2.0 - new / 2.0
                box = [left, first, right, first + new]
                limits = [image[1] - 1, image[0] - 1] * 2
                boxes.append([min(max(v, 0), most) for v, most in zip(box, limits, strict=True)])
                kept.append([scores[0, 10 + anchor, y, x]])
    return np.array(boxes), np.array(kept)


TEXT_PROPOSALS = """type: "Python" top: "rois" top: "scores" python_param {
  module: "layers.text_proposal_layer" layer: "ProposalLayer" param_str: "'feat_stride': %s" }"""


@pytest.mark.slow
@pytest.mark.parametrize("stride", [16, 8])
def test_text_proposals(stride, tmp_path):
    fed = {
        "prob": normal(1, 20, 3, 4),
        "pred": normal(1, 20, 3, 4, seed=1),
        "info": np.array([[45, 60, 1]], "float32"),
    }
    shapes = {name: x.shape for name, x in fed.items()}
    model = built(tmp_path, TEXT_PROPOSALS % stride, **shapes)
    boxes, scores = text_boxes(fed["prob"], fed["pred"], fed["info"][0], stride)
    found = keras_fcn.blobs(model, fed)
    assert_close(found["rois"], boxes)
    np.testing.assert_array_equal(found["scores"], scores.astype("float32"))
    assert_survives(model, fed, tmp_path)


@pytest.mark.parametrize("wrong", ["x", "16.5", "16\n'min_size': 3"])
def test_wrong_text_proposals(wrong, tmp_path):
    shapes = {"prob": (1, 20, 3, 4), "pred": (1, 20, 3, 4), "info": (1, 3)}
    with pytest.raises(CaffeError, match="param_str must hold 'feat_stride'"):
        built(tmp_path, TEXT_PROPOSALS.replace("%s", wrong.replace("\n", "\\n")), **shapes)


CTPN = """
input: 'data' input_shape { dim: 1 dim: 3 dim: 24 dim: 40 }
input: 'im_info' input_shape { dim: 1 dim: 3 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 4
                      weight_filler { type: "gaussian" std: 0.2 } } }
layer { name: "im2col" bottom: "conv" top: "im2col" type: "Im2col"
  convolution_param { pad: 1 kernel_size: 3 } }
layer { name: "im2col_transpose" top: "im2col_transpose" bottom: "im2col" type: "Transpose"
  transpose_param { dim: 3 dim: 2 dim: 0 dim: 1 } }
layer { name: "lstm_input" type: "Reshape" bottom: "im2col_transpose" top: "lstm_input"
  reshape_param { shape { dim: -1 } axis: 1 num_axes: 2 } }
layer { name: "lstm" type: "Lstm" bottom: "lstm_input" top: "lstm"
  lstm_param { num_output: 5 weight_filler { type: "gaussian" std: 0.3 }
               bias_filler { type: "constant" } clipping_threshold: 1 } }
layer { name: "lstm-reverse1" type: "Reverse" bottom: "lstm_input" top: "rlstm_input"
  reverse_param { axis: 0 } }
layer { name: "rlstm" type: "Lstm" bottom: "rlstm_input" top: "rlstm-output"
  lstm_param { num_output: 5 weight_filler { type: "gaussian" std: 0.3 } } }
layer { name: "lstm-reverse2" type: "Reverse" bottom: "rlstm-output" top: "rlstm"
  reverse_param { axis: 0 } }
layer { name: "merge_lstm_rlstm" type: "Concat" bottom: "lstm" bottom: "rlstm"
  top: "merge_lstm_rlstm" concat_param { axis: 2 } }
layer { name: "lstm_output_reshape" type: "Reshape" bottom: "merge_lstm_rlstm"
  top: "lstm_output_reshape" reshape_param { shape { dim: -1 dim: 1 } axis: 1 num_axes: 1 } }
layer { name: "lstm_output" type: "Transpose" bottom: "lstm_output_reshape" top: "lstm_output"
  transpose_param { dim: 2 dim: 3 dim: 1 dim: 0 } }
layer { name: "rpn_cls_score" type: "Convolution" bottom: "lstm_output" top: "rpn_cls_score"
  convolution_param { num_output: 20 kernel_size: 1 weight_filler { type: "gaussian" std: 0.5 } } }
layer { bottom: "rpn_cls_score" top: "rpn_cls_score_reshape" name: "rpn_cls_score_reshape"
   type: "Reshape" reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 0 } } }
layer { name: "rpn_bbox_pred" type: "Convolution" bottom: "lstm_output" top: "rpn_bbox_pred"
  convolution_param { num_output: 20 kernel_size: 1 weight_filler { type: "gaussian" std: 0.5 } } }
layer { name: "rpn_cls_prob" type: "Softmax" bottom: "rpn_cls_score_reshape" top: "rpn_cls_prob" }
layer { name: 'rpn_cls_prob_reshape' type: 'Reshape' bottom: 'rpn_cls_prob'
  top: 'rpn_cls_prob_reshape' reshape_param { shape { dim: 0 dim: 20 dim: -1 dim: 0 } } }
layer { name: 'proposal' type: 'Python' bottom: 'rpn_cls_prob_reshape' bottom: 'rpn_bbox_pred'
  bottom: 'im_info' top: 'rois' top: 'scores'
  python_param { module: 'layers.text_proposal_layer' layer: 'ProposalLayer'
                 param_str: "'feat_stride': 16" } }
"""


def columns(x):
    """3 x 3 windows of (1, C, H, W) as (W, H, 9 * C), the channel the slowest."""
    _, channels, height, width = x.shape
    padded = np.pad(x[0], ((0, 0), (1, 1), (1, 1)))
    out = np.empty((width, height, channels * 9))
    for column, row in np.ndindex(width, height):
        out[column, row] = padded[:, row : row + 3, column : column + 3].ravel()
    return out


@pytest.mark.parametrize("size", [(24, 40), (32, 20)])
def test_the_whole_network(size, tmp_path):
    (tmp_path / "net.prototxt").write_text(CTPN)
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt", seed=3)
    fed = {"data": normal(1, 3, *size), "im_info": np.array([[*size, 1]], "float32")}
    found = keras_fcn.blobs(model, fed)
    kernels = {
        name: [w.T for w in model.get_layer(name).get_weights()] for name in ("lstm", "rlstm")
    }
    steps = columns(found["conv"])
    there, _ = lstm(steps, *kernels["lstm"])
    back, _ = lstm(steps[::-1], *kernels["rlstm"])
    merged = np.concatenate([there, back[::-1]], axis=2)  # (W, H, 10)
    assert_close(found["lstm_output"], merged.transpose(2, 1, 0)[None])
    kernel, bias = model.get_layer("rpn_cls_score").get_weights()
    scores = (merged @ kernel[0, 0] + bias).transpose(2, 1, 0)[None]
    pairs = np.exp(scores.reshape(1, 2, -1, scores.shape[3]))
    probabilities = (pairs / pairs.sum(1, keepdims=True)).reshape(scores.shape)
    assert_close(found["rpn_cls_prob_reshape"], probabilities)
    boxes, kept = text_boxes(probabilities, found["rpn_bbox_pred"], size, 16)
    assert_close(found["rois"], boxes)
    assert_close(found["scores"], kept)
