"""What a model knows goes with it through surgery: each operation, each field."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.core.card import Card, Source, card_of, update_card
from keras_fcn.core.model import CaffeFunctional, CaffeSequential
from keras_fcn.inference.prediction import model_preprocessing
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.classes import Classes
from keras_fcn.preprocessing.tiles import Tiles

NAMES = Classes(("a", "b", "c"))
OWN = Preprocessing(size=(12, 12), crop=(8, 8), mean=np.full((8, 8, 3), 7.0))
SOURCE = Source("net.caffemodel", "00")
CLASSIFIER = """name: "classifier"
input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 0 }
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2
    weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "fc1" type: "InnerProduct" bottom: "conv" top: "fc1"
  param { lr_mult: 1 } param { lr_mult: 0 }
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "fc2" type: "InnerProduct" bottom: "fc1" top: "fc2" param { lr_mult: 0 }
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc2" top: "prob" }
"""


@pytest.fixture
def classifier(tmp_path):
    (tmp_path / "net.prototxt").write_text(CLASSIFIER)
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt", phase="TRAIN", seed=1)
    update_card(model, preprocessing=OWN, classes=NAMES, size=(8, 8), source=SOURCE)
    return model


def frozen(model):
    """The weights that are not trained, though their layers are."""
    return {
        (layer.name, index)
        for layer in model.layers
        for index, weight in enumerate(layer.weights)
        if not weight.trainable
    }


def test_a_cast(classifier):
    cast = keras_fcn.to_fully_convolutional(classifier)
    card = cast.card
    assert (card.network, card.classes, card.source) == ("classifier", NAMES, SOURCE)
    assert (card.phase, card.size, card.tiles, card.definition) == ("TRAIN", None, None, None)
    assert set(card.frozen) == frozen(cast) == {("conv", 0), ("fc1-conv", 1), ("fc2-conv", 0)}
    assert (card.preprocessing.size, card.preprocessing.crop) == (None, None)
    assert card.preprocessing.mean == (7.0, 7.0, 7.0)
    assert set(card.blobs) == {"data", "conv", "fc1-conv", "fc2-conv", "prob"}
    image = np.zeros((8, 12, 3), np.uint8)
    assert keras_fcn.predict(cast, image).shape == (1, 3, 3)


def test_an_output_stride(classifier):
    cast = keras_fcn.to_fully_convolutional(classifier)
    dense = keras_fcn.with_output_stride(cast, 1)
    kept = ("network", "classes", "source", "phase", "preprocessing", "size", "inputs", "blobs")
    for field in kept:
        assert getattr(dense.card, field) == getattr(cast.card, field), field
    assert set(dense.card.frozen) == frozen(dense) == set(cast.card.frozen)
    assert dense.card.definition is None


@pytest.mark.parametrize(
    ("classes", "names"), [(7, None), (("x", "y"), Classes(("x", "y"))), (NAMES, NAMES)]
)
def test_a_new_head_of_a_chain(classifier, classes, names):
    new = keras_fcn.replace_head(classifier, classes)
    card = new.card
    assert new.output_shape[-1] == (7 if names is None else len(names))
    assert (card.network, card.phase, card.size) == ("classifier", "TRAIN", (8, 8))
    assert (card.classes, card.source, card.definition) == (names, None, None)
    assert card.preprocessing == OWN
    assert set(card.frozen) == frozen(new) == {("conv", 0), ("fc1", 1)}
    assert card.inputs == {"data": "data"}
    assert set(card.blobs) == {"data", "conv", "fc1", "score", "prob"}


@pytest.mark.parametrize("classes", [0, -1, (), "road", 2.5])
def test_classes_that_are_none(classifier, classes):
    with pytest.raises((ValueError, TypeError)):
        keras_fcn.replace_head(classifier, classes)


BRANCHED = """name: "fcn"
input: "data" input_shape { dim: 1 dim: 3 dim: 16 dim: 16 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 0 }
  convolution_param { num_output: 4 kernel_size: 2 stride: 2 weight_filler { type: "xavier" } } }
layer { name: "deep" type: "Convolution" bottom: "conv" top: "deep"
  convolution_param { num_output: 4 kernel_size: 2 stride: 2 weight_filler { type: "xavier" } } }
layer { name: "score" type: "Convolution" bottom: "conv" top: "score" param { lr_mult: 0 }
  convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "score_deep" type: "Convolution" bottom: "deep" top: "score_deep"
  convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "up" type: "Deconvolution" bottom: "score_deep" top: "up" param { lr_mult: 0 }
  convolution_param { num_output: 3 kernel_size: 2 stride: 2 bias_term: false
    weight_filler { type: "bilinear" } } }
layer { name: "sum" type: "Eltwise" bottom: "up" bottom: "score" top: "sum" }
"""


def test_a_new_head_of_a_network_that_branches(tmp_path):
    (tmp_path / "net.prototxt").write_text(BRANCHED)
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt", seed=1)
    tiles = Tiles((16, 16), 2, 2)
    update_card(model, preprocessing=OWN, classes=NAMES, tiles=tiles, source=SOURCE)
    model.get_layer("score_deep").trainable = False
    new = keras_fcn.replace_head(model, 5)
    card = new.card
    assert (card.preprocessing, card.tiles, card.size) == (OWN, tiles, (16, 16))
    assert (card.classes, card.source) == (None, None)
    assert set(card.frozen) == frozen(new) == {("conv", 0), ("up_5", 0)}


def test_tiles_follow_an_output_stride():
    """Cells of tiles still lie side by side, or there are no tiles any more."""
    image = keras.Input((None, None, 3), name="data")
    x = keras.layers.Conv2D(4, 2, strides=2, name="a")(image)
    x = keras.layers.Conv2D(2, 1, strides=2, name="b")(x)
    for tiles, expected in (
        (Tiles((10, 14), 1, 4), None),  # 5 x 7 cells in place of 4 x 6
        (Tiles((8, 8), 0, 4), Tiles((8, 8), 0, 2)),
    ):
        model = CaffeFunctional(image, x, card=Card(tiles=tiles))
        assert keras_fcn.with_output_stride(model, 2).card.tiles == expected


def test_models_of_keras_go_through_surgery():
    layers = [keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(2, name="fc")]
    model = keras.Sequential(layers)
    for new in (keras_fcn.to_fully_convolutional(model), keras_fcn.replace_head(model, 3)):
        assert isinstance(new, CaffeSequential)
        assert new.card == Card()
        with pytest.raises(ValueError, match="does not know how its images are prepared"):
            model_preprocessing(new)
    update_card(model, preprocessing=Preprocessing(mean=None))
    cast = keras_fcn.to_fully_convolutional(model)
    assert cast.card.preprocessing == card_of(model).preprocessing
