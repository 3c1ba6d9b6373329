"""Types of SegNet and SSD against the forks of Caffe that have them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_fcn
from keras_fcn.graph.ends import input_names, output_names
from keras_fcn.inference.inspection import keras_inputs
from tests.golden import LAYERS, LayerCase
from tests.keras_fcn.builder.cases import assert_forward, assert_gradients, build

FORKS = LAYERS.parent / "forks"
CASES = sorted(folder.name for folder in FORKS.iterdir())
WITH_GRADIENTS = [name for name in CASES if (FORKS / name / "grads.npz").exists()]


def test_the_cases_are_found():
    assert (len(CASES), len(WITH_GRADIENTS)) == (23, 10)


@pytest.mark.parametrize("name", CASES)
def test_forward_and_reloaded(name, tmp_path):
    case = LayerCase(FORKS / name)
    model = build(case)
    model.save(tmp_path / "net.keras")
    blobs = assert_forward(model, case)
    again = keras_fcn.blobs(keras.models.load_model(tmp_path / "net.keras"), case.inputs)
    for blob in case.outputs:
        np.testing.assert_array_equal(again[blob], blobs[blob])


@pytest.mark.parametrize("name", WITH_GRADIENTS)
def test_gradients(name):
    case = LayerCase(FORKS / name)
    assert_gradients(build(case), case)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_saved_model(name, tmp_path):
    case = LayerCase(FORKS / name)
    model = build(case)
    keras_fcn.export(model, tmp_path / "served")
    serve = tf.saved_model.load(tmp_path / "served").signatures["serving_default"]
    tensors = [tf.constant(array) for array in keras_inputs(model, case.inputs)]
    expected = keras.tree.flatten(model(tensors if len(tensors) > 1 else tensors[0]))
    actual = serve(**dict(zip(input_names(model), tensors, strict=True)))
    for value, output in zip(expected, output_names(model), strict=True):
        np.testing.assert_allclose(actual[output], value, rtol=1e-5, atol=1e-6)
