"""Models that are told how images are prepared, and what their outputs stand for."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.core.card import Card, card_of
from keras_fcn.errors import ModelError
from keras_fcn.inference.tasks import find_task
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.classes import Classes
from keras_fcn.preprocessing.tiles import Tiles

OWN = Preprocessing(mean=(1, 2, 3), input_scale=0.5, channel_order="rgb")
PALETTE = [[0, 0, 0], [128, 64, 128]]
NET = """
input: "data" input_shape { dim: 1 dim: 3 dim: 6 dim: 8 }
layer { name: "score" type: "InnerProduct" bottom: "data" top: "score"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }
"""


def functional(classes=2, size=(None, None), channels=3):
    x = keras.Input((*size, channels), name="data")
    y = keras.layers.Conv2D(classes, 1, activation="softmax", name="score")(x)
    return keras.Model(x, y, name="own")


def sequential():
    layers = [keras.Input((6, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2, name="score")]
    return keras.Sequential(layers, name="chain")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.score = keras.layers.Conv2D(2, 1)

    def call(self, x):
        return self.score(x)


@pytest.fixture
def net(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    return tmp_path / "net.prototxt"


@pytest.mark.parametrize("make", [functional, sequential])
def test_any_keras_model_is_told_and_keeps_it_when_saved(make, tmp_path):
    old = make()
    new = keras_fcn.with_card(
        old, preprocessing=OWN, classes=["a", "b"], palette=PALETTE, ignore=255, task="classes"
    )
    assert card_of(old) == Card()
    assert (new.name, new.get_weights()[0] is not None) == (old.name, True)
    assert [id(x) for x in new.weights] == [id(x) for x in old.weights]
    image = np.random.default_rng(0).random((1, 6, 8, 3), np.float32)
    np.testing.assert_array_equal(new.predict(image, verbose=0), old.predict(image, verbose=0))
    new.save(tmp_path / "new.keras")
    again = keras_fcn.load(tmp_path / "new.keras")
    assert again.card == new.card
    assert again.card.preprocessing == OWN
    assert again.card.classes == Classes(("a", "b"), PALETTE, 255)
    assert find_task(again).kind == "classes"


def test_several_inputs_and_outputs_keep_their_structure():
    x, y = keras.Input((6, 8, 3), name="x"), keras.Input((2,), name="y")
    ends = {"sum": keras.layers.Dense(2)(x), "y": keras.layers.Dense(3)(y)}
    new = keras_fcn.with_card(keras.Model({"x": x, "y": y}, ends), preprocessing=OWN)
    given = {"x": np.zeros((1, 6, 8, 3)), "y": np.zeros((1, 2))}
    assert {name: end.shape[-1] for name, end in new.predict(given, verbose=0).items()} == {
        "sum": 2,
        "y": 3,
    }


def test_what_is_not_told_stays():
    first = keras_fcn.with_card(
        functional(), preprocessing=OWN, classes=["a", "b"], palette=PALETTE
    )
    second = keras_fcn.with_card(first, ignore=0, tiles=Tiles((6, 8), 1, 1), size=(6, 8))
    assert second.card.preprocessing == OWN
    assert second.card.classes == Classes(("a", "b"), PALETTE, 0)
    assert (second.card.size, second.card.tiles.margin) == ((6, 8), 1)
    renamed = keras_fcn.with_card(second, classes=["c", "d"])
    assert renamed.card.classes == Classes(("c", "d"))


@pytest.mark.parametrize(
    ("told", "classes"),
    [
        ({"classes": 2}, None),
        ({"palette": PALETTE}, Classes(("class 0", "class 1"), PALETTE)),
        ({"classes": 2, "ignore": 9}, Classes(("class 0", "class 1"), ignore=9)),
        (
            {"classes": Classes(("x", "y"), PALETTE, 7), "ignore": 3},
            Classes(("x", "y"), PALETTE, 3),
        ),
    ],
)
def test_forms_of_classes(told, classes):
    assert keras_fcn.with_card(functional(), **told).card.classes == classes


def test_a_data_set_names_its_classes():
    new = keras_fcn.with_card(functional(21), classes="pascal_voc")
    assert new.card.classes == Classes.of("pascal_voc")


@pytest.mark.parametrize(
    ("model", "told", "says"),
    [
        (
            functional,
            {"classes": ["a"]},
            "classes must name each of the 2 .*: 1 for 'own'",
        ),
        (functional, {"classes": 3}, "classes must name each"),
        (functional, {"classes": "pascal_voc"}, "classes must name .* 21 for 'own'"),
        (functional, {"palette": [[0, 0, 0]]}, r"palette must be .* 2 classes.*\(1, 3\)"),
        (functional, {"palette": [[0, 0, 900]] * 2}, "palette.* 0..255"),
        (functional, {"preprocessing": Preprocessing(channels=1, mean=None)}, "the 3 channels"),
        (sequential, {"preprocessing": Preprocessing(crop=(5, 5))}, "its 6x8. Received: 5x5"),
        (sequential, {"size": (3, 3)}, "size must give input .* 6x8"),
        (sequential, {"tiles": Tiles((3, 3), 1, 1)}, "tiles must give input .* 6x8"),
        (sequential, {"preprocessing": Preprocessing(mean=np.ones((3, 3, 3)))}, "mean"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(model, told, says):
    with pytest.raises(ValueError, match=says):
        keras_fcn.with_card(model(), **told)


@pytest.mark.parametrize(
    "told", [{"preprocessing": {"mean": None}}, {"classes": 2.5}, {"task": "cats"}, {"size": 3}]
)
def test_another_kind_of_value_is_refused(told):
    with pytest.raises(TypeError, match=next(iter(told))):
        keras_fcn.with_card(functional(), **told)


def test_a_model_of_vectors_takes_no_preprocessing():
    x = keras.Input((4,))
    with pytest.raises(ValueError, match="preprocessing: for a model that takes images"):
        keras_fcn.with_card(keras.Model(x, keras.layers.Dense(2)(x)), preprocessing=OWN)


class OfLayers(keras.Model):
    """Functional, with a training of its own."""

    def train_step(self, data):
        raise NotImplementedError


def test_subclassed_and_unbuilt_models_are_refused_by_name():
    own = functional()
    unbuilt = keras.Sequential([keras.layers.Dense(2)], name="later")
    for model in (Subclassed(), OfLayers(own.inputs, own.outputs), unbuilt):
        with pytest.raises(ModelError, match=rf"{type(model).__name__} '{model.name}'"):
            keras_fcn.with_card(model, classes=2)
    with pytest.raises(TypeError, match=r"keras\.Model"):
        keras_fcn.with_card("own.keras", classes=2)


def test_caffe_networks_are_told_when_they_are_read(net):
    told = {"preprocessing": OWN, "classes": ["a", "b"], "palette": PALETTE}
    for model in (keras_fcn.from_caffe(net, **told), keras_fcn.load(net, **told)):
        assert model.card.preprocessing == OWN
        assert model.card.classes == Classes(("a", "b"), PALETTE)
        assert "score" in model.card.blobs
    for read in (keras_fcn.from_caffe, keras_fcn.load):
        with pytest.raises(ValueError, match="classes must name each"):
            read(net, classes=["a"])


def test_labels_and_detections_tell_their_classes():
    x = keras.Input((6, 8, 5))
    labels = keras.Model(x, keras_fcn.layers.ArgMax(axis=1)(x))
    assert len(keras_fcn.with_card(labels, classes=list("abcde")).card.classes) == 5
    with pytest.raises(ValueError, match="5"):
        keras_fcn.with_card(labels, classes=["a"])
    region = keras.Model(x, keras.layers.Conv2D(20, 1)(x))
    boxes = keras_fcn.with_card(region, classes=list("abc"), task="boxes")
    assert boxes.card.classes.names == ("a", "b", "c")
    assert find_task(boxes).kind == "boxes"
