"""The zoo's blobs are those of Caffe, where ReLU and Dropout work in place."""

from __future__ import annotations

import numpy as np
import pytest

import keras_fcn


@pytest.mark.parametrize("build", [keras_fcn.LeNet, keras_fcn.SqueezeNet])
def test_content_after_the_relu(build):
    model = build()
    side = model.input_shape[1] or 64
    shape = (1, model.input_shape[3], side, side)
    x = np.random.default_rng(0).normal(size=shape).astype("f4") * 50
    blobs = keras_fcn.blobs(model, x)
    for layer in model.layers:
        if type(layer).__name__ == "ReLU":
            maker = layer.input._keras_history.operation.name
            assert blobs[maker].min() == 0
            np.testing.assert_array_equal(blobs[maker], blobs[layer.name])


def test_short_errors():
    model = keras_fcn.LeNet()
    with pytest.raises(TypeError, match=r"Received: 'x\.jpg'$"):
        keras_fcn.blobs(model, "x.jpg")
    with pytest.raises(ValueError, match=r"has 4 axes, Caffe's. Received: \(1, 28, 28\)$"):
        keras_fcn.blobs(model, np.zeros((1, 28, 28), "f4"))
