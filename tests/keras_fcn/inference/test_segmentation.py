"""Labels for each pixel, whatever the network's map."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
from PIL import Image

from keras_fcn.core.card import Card
from keras_fcn.core.model import CaffeSequential
from keras_fcn.inference.segmentation import label_classes, model_data_set, segment, shares
from keras_fcn.layers import PixelwiseSoftmax
from keras_fcn.layers.argmax import ArgMax
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.classes import Classes
from keras_fcn.preprocessing.resampling import resize

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.integers(0, 256, (24, 36, 3), dtype=np.uint8)


def brightest_channel(*layers, input_shape=(None, None, 3), **card):
    """A network whose classes are blue, green and red: its scores are the image's channels."""
    model = CaffeSequential([keras.layers.Input(input_shape, name="data"), *layers])
    own = Preprocessing(mean=None, raw_scale=1)
    model.card = Card("brightest", preprocessing=own, **card)
    return model


def expected(image):
    return image[..., ::-1].argmax(axis=-1)


def test_map_of_the_images_size():
    model = brightest_channel(PixelwiseSoftmax())
    labels = segment(model, IMAGE)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, expected(IMAGE))


def test_file(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "image.png")
    labels = segment(brightest_channel(PixelwiseSoftmax()), str(tmp_path / "image.png"))
    np.testing.assert_array_equal(labels, expected(IMAGE))


def test_scores_of_a_coarse_map_are_interpolated():
    pool = keras.layers.AveragePooling2D(4)
    labels = segment(brightest_channel(pool), IMAGE)
    scores = IMAGE[..., ::-1].reshape(6, 4, 9, 4, 3).mean(axis=(1, 3))
    np.testing.assert_array_equal(labels, resize(scores, (24, 36)).argmax(axis=-1))


def test_cells_stand_where_they_see():
    """Windows of nine pixels, four apart: the centre of the first is pixel 4."""
    pool = keras.layers.AveragePooling2D(9, strides=4, padding="valid")
    image = np.zeros((25, 33, 3), np.uint8)
    image[:, :17, 0] = 200
    image[:, 17:, 2] = 200
    labels = segment(brightest_channel(pool), image)
    # Columns 12 and 16 see 5 and 1 more red than blue pixels, column 20 sees 7 more blue ones.
    assert set(labels[:, :17].reshape(-1)) == {2}
    assert set(labels[:, 17:].reshape(-1)) == {0}


def test_cells_stand_where_they_see_on_a_cropped_image():
    pool = keras.layers.AveragePooling2D(9, strides=4, padding="valid")
    model = brightest_channel(pool)
    image = np.zeros((41, 49, 3), np.uint8)
    image[:, :25, 0] = 200
    image[:, 25:, 2] = 200
    own = Preprocessing(mean=None, size=(41, 49), crop=(25, 33))
    labels = segment(model, image, preprocessing=own)
    assert set(labels[:, :25].reshape(-1)) == {2}
    assert set(labels[:, 25:].reshape(-1)) == {0}


def test_labels_of_a_coarse_map_are_repeated():
    layers = keras.layers.AveragePooling2D(4), ArgMax(axis=1)
    labels = segment(brightest_channel(*layers), IMAGE)
    cells = IMAGE[..., ::-1].reshape(6, 4, 9, 4, 3).mean(axis=(1, 3)).argmax(axis=-1)
    np.testing.assert_array_equal(labels, cells.repeat(4, axis=0).repeat(4, axis=1))


def test_a_network_of_one_size_is_given_it():
    model = brightest_channel(PixelwiseSoftmax(), input_shape=(12, 18, 3))
    labels = segment(model, np.repeat(np.repeat(IMAGE[::2, ::2], 2, axis=0), 2, axis=1))
    assert labels.shape == (24, 36)
    flat = np.zeros((24, 36, 3), np.uint8)
    flat[..., 1] = 9
    np.testing.assert_array_equal(segment(model, flat), 1)


def test_a_classifier_has_no_pixels():
    model = brightest_channel(keras.layers.GlobalAveragePooling2D())
    with pytest.raises(ValueError, match="map of classes") as caught:
        segment(model, IMAGE)
    assert "Received: (None, 3)" in str(caught.value)


def test_a_global_pooling_leaves_no_map():
    model = brightest_channel(keras.layers.GlobalAveragePooling2D(keepdims=True))
    with pytest.raises(ValueError, match="one cell for the whole image"):
        segment(model, IMAGE)


def test_a_model_without_preprocessing():
    model = brightest_channel(PixelwiseSoftmax())
    model.card = dataclasses.replace(model.card, preprocessing=None)
    with pytest.raises(ValueError, match="preprocessing="):
        segment(model, IMAGE)
    own = Preprocessing(mean=None, channel_order="rgb")
    np.testing.assert_array_equal(segment(model, IMAGE, preprocessing=own), IMAGE.argmax(axis=-1))


def test_the_data_set_is_saved_with_the_model(tmp_path):
    model = brightest_channel(PixelwiseSoftmax(), classes=Classes.of("pascal_voc"))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert model_data_set(loaded).classes[12] == "dog"
    assert model_data_set(brightest_channel(PixelwiseSoftmax())) is None


def test_names_of_labels():
    """Those of the user, else the model's own where they are enough, else numbers."""
    names = Classes(("red", "green", "blue"))
    model = brightest_channel(PixelwiseSoftmax(), classes=names)
    labels = np.uint8([[0, 2], [2, 2]])
    assert label_classes(model, labels) == ("red", "green", "blue")
    assert label_classes(model, labels, ("a", "b", "c")) == ("a", "b", "c")
    assert label_classes(model, labels + 1)[3] == "class 3"
    with pytest.raises(ValueError, match=r"labels must name each.*3 classes. Received: 1 names"):
        label_classes(model, labels, ("a",))
    assert shares(labels) == [(2, 0.75), (0, 0.25)]
