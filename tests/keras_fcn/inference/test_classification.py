"""Classes of pictures in all forms."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import keras_fcn
from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.preprocessing import Preprocessing

PLAIN = Preprocessing(mean=None, raw_scale=1, channel_order="rgb")
NAMES = ("red", "green", "blue")


@pytest.fixture(scope="module")
def model():
    """Scores a picture's mean red, green and blue."""
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(3, 1, use_bias=False)(image)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras_fcn.with_card(keras.Model(image, layers.Softmax()(x)), preprocessing=PLAIN)
    model.layers[1].set_weights([np.eye(3, dtype="f4")[None, None]])
    return model


def shade(red, green, blue, size=(4, 5)):
    return np.full((*size, 3), (red, green, blue), np.uint8)


def test_records_best_first(model):
    found = keras_fcn.classify(model, shade(10, 30, 20), classes=NAMES)
    assert [x["label"] for x in found] == ["green", "blue", "red"]
    assert [x["index"] for x in found] == [1, 2, 0]
    levels = np.exp(np.array([30, 20, 10]) / 255)
    np.testing.assert_allclose([x["score"] for x in found], levels / levels.sum(), rtol=1e-5)
    assert json.loads(json.dumps(found)) == found
    assert keras_fcn.classify(model, shade(10, 30, 20), 2, classes=NAMES) == found[:2]
    assert keras_fcn.classify(model, shade(9, 9, 9), 1)[0]["label"] == "class 0"
    named = keras_fcn.with_card(model, classes=NAMES)
    assert keras_fcn.classify(named, shade(10, 30, 20)) == found


def test_several_in_their_order(model, tmp_path):
    pixels = [shade(200, 0, 0), shade(0, 200, 0, (7, 3)), shade(0, 0, 200)]
    for name, each in zip("cab", pixels, strict=True):
        Image.fromarray(each).save(tmp_path / f"{name}.png")

    def best(images):
        return [x[0]["label"] for x in keras_fcn.classify(model, images, 1, classes=NAMES)]

    assert best(pixels) == best(x for x in pixels) == ["red", "green", "blue"]
    assert best(np.stack([pixels[2], pixels[0]])) == ["blue", "red"]
    assert best(tmp_path) == best(f"{tmp_path}/*.png") == ["green", "blue", "red"]
    assert best([Image.fromarray(pixels[1]), tmp_path / "b.png"]) == ["green", "blue"]


def test_pictures_that_are_bad(model, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    Image.fromarray(shade(0, 200, 0)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"a\.png"):
        keras_fcn.classify(model, tmp_path)
    with pytest.warns(CaffeWarning, match=r"skipped: .*a\.png"):
        first, second = keras_fcn.classify(model, tmp_path, skip_bad=True)
    assert first is None
    assert second[0]["index"] == 1
    with pytest.raises(FileNotFoundError):
        keras_fcn.classify(model, tmp_path / "absent.png")


def test_maps_are_no_classes_of_a_picture(model):
    image = keras.Input((None, None, 3))
    cast = keras.Model(image, layers.Softmax()(layers.Conv2D(3, 2)(image)))
    found = keras_fcn.classify(cast, shade(1, 2, 3, (2, 2)), preprocessing=PLAIN)
    assert len(found) == 3
    with pytest.raises(ValueError, match="a map of 3x4 cells: segment labels"):
        keras_fcn.classify(cast, shade(1, 2, 3), preprocessing=PLAIN)
    with pytest.raises(ValueError, match="top must be at least 1"):
        keras_fcn.classify(model, shade(1, 2, 3), 0)
