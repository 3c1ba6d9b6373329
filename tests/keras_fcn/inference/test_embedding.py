"""Values of layers: by blob, by layer, by default."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.preprocessing import Preprocessing
from tests.keras_fcn.inference.test_tasks import DETECTIONS, INPUT, POOL, SOFTMAX, SSD

PLAIN = Preprocessing(mean=None, raw_scale=1)
IMAGE = np.random.default_rng(0).integers(0, 256, (6, 10, 3), np.uint8)
CLASSIFIER = (
    INPUT
    + """
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "fc7" type: "InnerProduct" bottom: "conv" top: "fc7"
  inner_product_param { num_output: 5 weight_filler { type: "gaussian" std: 0.01 } } }
layer { name: "relu7" type: "ReLU" bottom: "fc7" top: "fc7" }
layer { name: "drop7" type: "Dropout" bottom: "fc7" top: "fc7" }
layer { name: "fc8" type: "InnerProduct" bottom: "fc7" top: "fc8"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
"""
    + SOFTMAX % "fc8"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "net.prototxt"
    path.write_text(CLASSIFIER)
    return keras_fcn.from_caffe(path, seed=0)


@pytest.fixture(scope="module")
def blobs(model):
    return keras_fcn.blobs(model, np.moveaxis(PLAIN(IMAGE), -1, 0)[np.newaxis])


@pytest.mark.parametrize("name", ["conv", "fc7", "fc8", "prob"])
def test_blobs_by_name(model, blobs, name):
    """Final contents, behind what works in place."""
    wanted = blobs[name][0]
    wanted = np.moveaxis(wanted, 0, -1) if wanted.ndim == 3 else wanted
    found = keras_fcn.embed(model, IMAGE, name, preprocessing=PLAIN)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    assert name != "conv" or (found.shape == (4, 8, 4) and found.min() == 0)


def test_layers_have_their_own_values(model):
    before = keras_fcn.embed(model, IMAGE, "relu7", preprocessing=PLAIN)
    after = keras_fcn.embed(model, IMAGE, "fc7", preprocessing=PLAIN)
    np.testing.assert_array_equal(before, after)
    inner = keras.Model(model.inputs, model.get_layer("fc8").output)
    np.testing.assert_allclose(
        keras_fcn.embed(inner, IMAGE, "fc8", preprocessing=PLAIN),
        keras_fcn.embed(model, IMAGE, "fc8", preprocessing=PLAIN),
        rtol=1e-5,
    )


def test_by_default_what_the_classes_are_scored_from(model, tmp_path):
    several = keras_fcn.embed(model, [IMAGE, IMAGE[::-1]], preprocessing=PLAIN)
    matrix = np.stack(several)
    assert matrix.shape == (2, 5)
    np.testing.assert_array_equal(
        matrix[0], keras_fcn.embed(model, IMAGE, "fc7", preprocessing=PLAIN)
    )
    features = keras.Model(model.inputs, model.get_layer("relu7").output)
    np.testing.assert_allclose(
        keras_fcn.embed(features, IMAGE, preprocessing=PLAIN), matrix[0], rtol=1e-5
    )
    (tmp_path / "net.prototxt").write_text(INPUT + POOL + SOFTMAX % "pool")
    pooled = keras_fcn.from_caffe(tmp_path / "net.prototxt", seed=0)
    read = keras_fcn.embed(pooled, IMAGE, preprocessing=PLAIN)
    np.testing.assert_array_equal(read, PLAIN(IMAGE))  # what the convolution reads
    assert keras_fcn.embed(pooled, IMAGE, "pool", preprocessing=PLAIN).shape == (4,)


def test_weights_that_change_are_used(model):
    first = keras_fcn.embed(model, IMAGE, "fc8", preprocessing=PLAIN)
    layer = model.get_layer("fc8")
    kept = layer.get_weights()
    layer.set_weights([2 * x for x in kept])
    np.testing.assert_allclose(
        keras_fcn.embed(model, IMAGE, "fc8", preprocessing=PLAIN), 2 * first, rtol=1e-5
    )
    layer.set_weights(kept)


def test_names_that_are_not_there(model, tmp_path):
    with pytest.raises(ValueError, match=r"layer must be .*did you mean 'fc7'.*Received: fc77"):
        keras_fcn.embed(model, IMAGE, "fc77", preprocessing=PLAIN)
    (tmp_path / "net.prototxt").write_text(INPUT + SSD + DETECTIONS)
    detector = keras_fcn.from_caffe(tmp_path / "net.prototxt", seed=0)
    with pytest.raises(ValueError, match="no layer that scores classes; give layer"):
        keras_fcn.embed(detector, IMAGE, preprocessing=PLAIN)
    assert keras_fcn.embed(detector, IMAGE, "conv", preprocessing=PLAIN).shape == (4, 8, 4)
