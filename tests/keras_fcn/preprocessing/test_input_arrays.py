"""Arrays of a wrong shape or name: one short line that names the input."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.preprocessing import Preprocessing

ROIS = """layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 6 dim: 6 } } }
layer { name: "rois" type: "Input" top: "rois" input_param { shape { dim: 1 dim: 5 } } }
layer { name: "pool" type: "ROIPooling" bottom: "data" bottom: "rois" top: "pool"
  roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 1 } }
"""
FREE = r"\(batch, height, width, 3\)"
CAFFE = r"\(batch, 3, height, width\)"


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((None, None, 3), name="data")
    return CaffeFunctional(inputs, keras.layers.Conv2D(2, 1, name="conv")(inputs))


@pytest.fixture(scope="module")
def vectors():
    inputs = keras.Input((4,), name="vector")
    return CaffeFunctional(inputs, keras.layers.Dense(2, name="fc")(inputs))


@pytest.fixture
def regions(tmp_path):
    (tmp_path / "net.prototxt").write_text(ROIS)
    return keras_fcn.from_caffe(tmp_path / "net.prototxt")


def refused(function, model, x, message):
    with pytest.raises(ValueError, match=f"^{message}$") as caught:
        function(model, x)
    assert len(str(caught.value)) < 160


def predict(model, x):
    return model.predict(x, verbose=0)


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((1, 8, 8, 1), ""),
        ((1, 3, 8, 8), "; channels come last"),
        ((3, 8, 8), "; channels come last"),
        ((8, 8, 3), r"; a batch of one is x\[np.newaxis\]"),
        ((1, 8), ""),
        ((1, 1, 8, 8, 3), ""),
        ((), ""),
    ],
)
def test_images_for_predict(model, shape, hint):
    given = str(shape).replace("(", r"\(").replace(")", r"\)")
    message = f"input 'data' takes {FREE}. Received: shape {given}{hint}"
    for x in (np.zeros(shape), [np.zeros(shape)], {"data": np.zeros(shape)}):
        refused(predict, model, x, message)


@pytest.mark.parametrize("shape", [(1, 8, 8, 3), (1, 1, 8, 8), (3, 8, 8), (1, 3), (1, 1, 3, 8, 8)])
def test_images_for_blobs(model, shape):
    given = str(shape).replace("(", r"\(").replace(")", r"\)")
    message = f"input 'data' takes {CAFFE}[^.]*. Received: shape {given}[^(]*"
    for x in (np.zeros(shape), {"data": np.zeros(shape)}):
        refused(keras_fcn.blobs, model, x, message)


@pytest.mark.parametrize("function", [predict, keras_fcn.blobs])
def test_vectors(vectors, function):
    message = r"input 'vector' takes \(batch, 4\). Received: shape %s"
    refused(function, vectors, np.zeros((1, 5)), message % r"\(1, 5\)")
    refused(function, vectors, np.zeros(4), message % r"\(4,\); a batch of one is x\[np.newaxis\]")
    refused(function, vectors, np.zeros((1, 4, 4)), message % r"\(1, 4, 4\)")


@pytest.mark.slow
def test_names_and_counts(regions, model):
    x, rois = np.zeros((1, 6, 6, 3)), np.zeros((2, 5))
    names = r"the model has inputs \['data', 'rois'\]. Received: "
    refused(predict, regions, {"data": x, "roi": rois}, names + r"\['data', 'roi'\]")
    refused(predict, regions, {"data": x}, names + r"\['data'\]")
    refused(predict, regions, x, names + "1 array")
    refused(predict, regions, [x, rois, rois], names + "3 arrays")
    refused(predict, model, {"image": x}, r"the model has inputs \['data'\]. Received: \['image'\]")
    refused(predict, regions, [x, rois[:, :4]], r"input 'rois' takes \(batch, 5\).*\(2, 4\)")
    assert predict(regions, {"data": x, "rois": rois}).shape == (2, 2, 2, 3)


def test_what_keras_takes_is_taken():
    inputs = keras.Input((28, 28, 1), name="data")
    grey = CaffeFunctional(inputs, keras.layers.Flatten()(inputs))
    for shape in ((2, 28, 28), (2, 28, 28, 1), (2, 28, 28, 1, 1)):
        assert predict(grey, np.zeros(shape)).shape == (2, 784)
    message = r"input 'data' takes \(batch, 28, 28, 1\). Received: shape \(28, 28, 1\); .*"
    refused(predict, grey, np.zeros((28, 28, 1)), message)


def test_the_image_of_predict(vectors, model):
    plain = Preprocessing()
    scores = keras_fcn.predict(model, np.zeros((8, 8, 3)), preprocessing=plain)
    assert scores.shape == (8, 8, 2)
    with pytest.raises(ValueError, match=r"^input 'vector' takes \(batch, 4\)\. Received: shape"):
        keras_fcn.predict(vectors, np.zeros((8, 8, 3)), preprocessing=plain)
