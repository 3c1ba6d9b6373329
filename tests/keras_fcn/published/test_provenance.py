"""What models carry of their weights: the mean, the data set, the tiles."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.core.card import Card
from keras_fcn.core.model import CaffeSequential
from keras_fcn.inference.prediction import model_preprocessing, model_tiles
from keras_fcn.inference.segmentation import model_data_set
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.classes import Classes
from keras_fcn.published import published
from keras_fcn.published.entries import PublishedModel
from keras_fcn.published.provenance import note_source
from keras_fcn.surgery.heads import replace_head
from tests.keras_fcn.published import small_net

MEAN = np.random.default_rng(1).uniform(90, 160, (32, 30, 1)).astype(np.float32)
IMAGE = np.random.default_rng(2).integers(0, 256, (28, 28, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A LeNet of ten classes as prototxt, and converted with a mean image."""
    folder = tmp_path_factory.mktemp("net")
    prototxt, caffemodel = small_net.write(folder)
    np.save(folder / "mean.npy", MEAN.transpose(2, 0, 1))
    convert.convert(prototxt, caffemodel, folder / "net.h5", mean=folder / "mean.npy")
    return prototxt, folder / "net.h5"


def test_the_mean_in_the_weights_file_is_subtracted(files):
    prototxt, weights = files
    for model, scale in (
        (keras_fcn.LeNet(weights=weights), 1 / 256),
        (keras_fcn.from_caffe(prototxt, weights), 1),
    ):
        batch = (IMAGE[np.newaxis] - MEAN[2:30, 1:29]) * np.float32(scale)
        np.testing.assert_allclose(
            keras_fcn.predict(model, IMAGE), model.predict(batch)[0], rtol=1e-4, atol=1e-6
        )


def test_a_network_for_any_image_gets_the_mean_pixel(files):
    own = model_preprocessing(keras_fcn.LeNetFCN(weights=files[1]))
    np.testing.assert_allclose(own.mean, MEAN.mean(), rtol=1e-6)
    assert own.input_scale == 1 / 256


def network(outputs, **card):
    model = CaffeSequential(
        [keras.layers.Input((None, None, 3)), keras.layers.Conv2D(outputs, 1)], name="net"
    )
    if card:
        model.card = Card("net", **card)
    return model


@pytest.fixture
def known(monkeypatch):
    entry = PublishedModel(
        "known",
        "known",
        dataset="pascal_voc",
        input=(20, 20),
        mean=(1.0, 2.0, 3.0),
        tiles={"margin": 2, "zoom": 1},
    )
    monkeypatch.setitem(published(), "known", entry)
    return entry


def test_a_published_network(known):
    model = network(21)
    note_source(model, None, published=("known",))
    assert model_preprocessing(model).mean == (1.0, 2.0, 3.0)
    assert model_tiles(model).size == (20, 20)
    assert model_data_set(model).name == "pascal_voc"


def test_tiles_of_other_classes_and_sizes(known):
    """A network that reads the margin keeps the tiles; where it takes one size, they have it."""

    def reading(outputs, size=(None, None)):
        layers = keras.layers.Input((*size, 3)), keras.layers.Conv2D(outputs, 5)
        model = CaffeSequential(layers, name="net")
        note_source(model, None, published=("known",))
        return model

    model = reading(3)
    assert model_tiles(model).size == (20, 20)
    assert model_tiles(replace_head(model, 4)).size == (20, 20)
    for classes in (3, 21):
        assert model_tiles(reading(classes, (12, 16))).size == (12, 16)
        assert model_tiles(reading(classes, (6, 7))).size == (6, 7)


def test_sizes_and_scale_of_the_network_stay(known):
    model = network(21)
    note_source(
        model, None, preprocessing=Preprocessing(size=(40, 40), mean=None), published=("known",)
    )
    own = model_preprocessing(model)
    assert (own.size, own.mean) == ((40, 40), (1.0, 2.0, 3.0))


def test_other_classes_are_not_the_data_sets(known):
    """Fine-tuning begins with published weights; how images are prepared is the network's own."""
    model = network(3)
    note_source(model, None, preprocessing=Preprocessing(mean=None), published=("known",))
    assert model_preprocessing(model).mean is None
    assert model_tiles(model) is None
    assert model_data_set(model) is None


def test_the_first_that_fits_goes_before(known, monkeypatch):
    other = PublishedModel("other", "other", dataset="cityscapes", mean=(9.0, 9.0, 9.0))
    monkeypatch.setitem(published(), "other", other)
    for classes, mean in ((21, 1.0), (19, 9.0)):
        model = network(classes)
        note_source(model, None, published=(None, "known", "other"))
        assert model_preprocessing(model).mean[0] == mean


def test_what_a_model_carries_stays_where_nothing_is_known():
    known = {
        "preprocessing": Preprocessing(mean=(5.0, 5.0, 5.0)),
        "classes": Classes.of("pascal_voc"),
    }
    model = network(21, **known)
    note_source(model, None)
    assert model.card == Card("net", **known)
