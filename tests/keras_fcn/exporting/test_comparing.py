"""What may differ between a written file and its model: rounding, also behind a softmax."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_fcn import layers
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.exporting.comparing import compared
from keras_fcn.inference.inspection import blobs

DATA = {"data": np.random.default_rng(0).uniform(-1, 1, (2, 4, 60, 60)).astype(np.float32)}


def network(scale, softmax):
    inputs = keras.Input((None, None, 4), name="data")
    conv = keras.layers.Conv2D(5, 3, name="score", use_bias=False)
    model = keras.Model(inputs, softmax(conv(inputs)))
    kernel = np.random.default_rng(1).uniform(-scale, scale, (3, 3, 4, 5))
    conv.set_weights([kernel])
    return model


def off_by(model, error):
    """The comparison with outputs whose scores are off by a share of the largest one."""
    found = blobs(model, DATA)
    scores, name = found["score"].astype(np.float64), model.layers[-1].name
    noise = np.random.default_rng(2).uniform(-1, 1, scores.shape)
    scores += error * np.abs(scores).max() * noise
    shares = np.exp(scores - scores.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return compared("net.onnx", "onnxruntime", model, DATA, {name: shares.astype(np.float32)})


SOFTMAX = [lambda: keras.layers.Softmax(name="prob"), lambda: layers.PixelwiseSoftmax(name="prob")]


@pytest.mark.parametrize("softmax", SOFTMAX)
def test_large_scores_round_to_other_probabilities(softmax):
    model = network(100, softmax())
    assert 1e-4 < off_by(model, 5e-6)["prob"] < 1e-2
    with pytest.raises(CaffeError, match="output 'prob' in onnxruntime differs"):
        off_by(model, 1e-3)


@pytest.mark.parametrize("softmax", SOFTMAX)
def test_small_scores_are_judged_as_all_else(softmax):
    model = network(1, softmax())
    assert off_by(model, 1e-6)["prob"] < 1e-5
    with pytest.raises(CaffeError, match="output 'prob' in onnxruntime differs"):
        off_by(model, 1e-3)


def test_other_layers_are_not_given_more():
    model = network(100, keras.layers.Activation("relu", name="relu"))
    found = blobs(model, DATA)["relu"]
    with pytest.raises(CaffeError, match="output 'relu' in onnxruntime differs"):
        compared("net.onnx", "onnxruntime", model, DATA, {"relu": found * np.float32(1.001)})
