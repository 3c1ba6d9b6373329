"""Every layer case whose types are built, against Caffe: forward, gradients, saved, exported."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_fcn
from keras_fcn.builder import BUILDERS
from keras_fcn.caffe.layers import LAYER_TYPES, UnknownLayer
from keras_fcn.caffe.layers.data import DataLayer, Input
from keras_fcn.graph.ends import input_names, output_names
from keras_fcn.inference.inspection import keras_inputs
from tests.golden import layer_case, layer_case_names
from tests.keras_fcn.builder.cases import assert_forward, assert_gradients, build

# Caffe fills in silence what a weights file lacks; we warn.
pytestmark = pytest.mark.filterwarnings("ignore:.*has no weights for:convert.CaffeWarning")


def _buildable(name: str) -> bool:
    types = {LAYER_TYPES.get(kind, UnknownLayer) for kind in layer_case(name).case["layers"]}
    return all(kind in BUILDERS or kind in (Input, DataLayer) for kind in types)


CASES = [name for name in layer_case_names("*") if _buildable(name)]
WITH_GRADIENTS = [name for name in CASES if (layer_case(name).folder / "grads.npz").exists()]


def test_the_cases_are_found():
    assert len(CASES) > 130


@pytest.mark.parametrize("name", CASES)
def test_forward_and_reloaded(name, tmp_path):
    case = layer_case(name)
    model = build(case)
    model.save(tmp_path / "net.keras")
    blobs = assert_forward(model, case)
    again = keras_fcn.blobs(keras.models.load_model(tmp_path / "net.keras"), case.inputs)
    for blob in case.outputs:
        np.testing.assert_array_equal(again[blob], blobs[blob])


@pytest.mark.parametrize("name", WITH_GRADIENTS)
def test_gradients(name):
    case = layer_case(name)
    assert_gradients(build(case), case)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_saved_model(name, tmp_path):
    case = layer_case(name)
    model = build(case)
    keras_fcn.export(model, tmp_path / "served")
    serve = tf.saved_model.load(tmp_path / "served").signatures["serving_default"]
    tensors = [tf.constant(array) for array in keras_inputs(model, case.inputs)]
    expected = keras.tree.flatten(model(tensors if len(tensors) > 1 else tensors[0]))
    actual = serve(**dict(zip(input_names(model), tensors, strict=True)))
    for value, output in zip(expected, output_names(model), strict=True):
        np.testing.assert_allclose(actual[output], value, rtol=1e-5, atol=1e-6)
