"""Single frozen weights: in files whose order they change, and once they are trained again."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.core.card import update_card
from keras_fcn.core.weight_sources import name_order
from keras_fcn.to_caffe import to_caffe

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 4, 4] } } }
layer { name: "s" type: "Scale" bottom: "data" top: "s" param { lr_mult: 0 } param { lr_mult: 1 }
  scale_param { bias_term: true } }
layer { name: "conv" type: "Convolution" bottom: "s" top: "conv"
  param { lr_mult: 0 } param { lr_mult: 1 } convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
  inner_product_param { num_output: 2 } }
"""


@pytest.fixture
def made(tmp_path):
    """Models of one net with other numbers each."""
    path, seeds = tmp_path / "net.prototxt", itertools.count()
    path.write_text(NET)

    def make():
        model, rng = keras_fcn.from_caffe(path), np.random.default_rng(next(seeds))
        for weight in model.weights:
            weight.assign(rng.normal(size=weight.shape))
        return model

    return make


def unfreeze(model):
    """Train all of a model, or of a layer, again."""
    model.trainable = False
    model.trainable = True


def trained(model) -> set[str]:
    return {"/".join(weight.path.split("/")[-2:]) for weight in model.trainable_weights}


def assert_same_weights(one, other):
    for a, b in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_whole_model_in_hdf5_with_frozen_weights(made, tmp_path):
    model, plain = made(), made()
    unfreeze(plain)
    assert len(plain.trainable_weights) > len(model.trainable_weights)
    for number, (stored, into) in enumerate(itertools.product((model, plain), repeat=2)):
        stored.save(tmp_path / f"{number}.h5")
        new = made()
        unfreeze(new)
        for layer, like in zip(new.layers, into.layers, strict=True):
            for weight, other in zip(layer.weights, like.weights, strict=True):
                weight.trainable = other.trainable
        keras_fcn.load_weights(new, tmp_path / f"{number}.h5")
        assert_same_weights(new, stored)


@pytest.mark.parametrize(
    ("stored", "wanted", "order"),
    [
        (["s/beta", "s/gamma"], ["s/gamma", "s/beta"], [1, 0]),
        (["a_1/bias:0", "a_1/kernel:0"], ["b/kernel", "b/bias"], [1, 0]),
        (
            ["w/b/cell/kernel", "w/f/cell/kernel"],
            ["x/f/cell/kernel", "x/b/cell/kernel"],
            [1, 0],
        ),
        (["kernel", "bias"], ["a/kernel", "a/bias"], [0, 1]),
        (["a/W", "a/b"], ["a/kernel", "a/bias"], [0, 1]),
        (["w/b/k", "w/f/k"], ["x/g/k", "x/h/k"], [0, 1]),
        (["a/kernel"], ["a/kernel", "a/bias"], [0]),
    ],
)
def test_the_order_by_names(stored, wanted, order):
    assert name_order(stored, wanted) == order


def files(tmp_path, ending):
    def through(model):
        model.save(tmp_path / f"model.{ending}")
        return keras.saving.load_model(tmp_path / f"model.{ending}")

    return through


DERIVED = {
    "keras": lambda folder: files(folder, "keras"),
    "h5": lambda folder: files(folder, "h5"),
    "clone": lambda folder: keras.models.clone_model,
    "cast": lambda folder: keras_fcn.to_fully_convolutional,
    "head": lambda folder: lambda model: keras_fcn.replace_head(model, 3),
    "card": lambda folder: lambda model: keras_fcn.with_card(model, classes=2),
}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("derived", DERIVED)
@pytest.mark.parametrize("whole", [True, False])
def test_what_is_trained_again_is_trained_in_all_that_is_made_of_it(made, tmp_path, derived, whole):
    model = made()
    unfreeze(model if whole else model.get_layer("conv"))
    before = trained(model)
    assert "conv/kernel" in before
    assert ("s/scale" in before) == whole
    new = DERIVED[derived](tmp_path)(model)
    assert trained(model) == before
    assert ("conv/kernel" in trained(new), "s/scale" in trained(new)) == (True, whole)
    assert new.card.frozen == (() if whole else (("s", 0),))
    if derived in ("keras", "h5"):
        assert_same_weights(model, new)
        rates = {x.name: [y.lr_mult for y in x.param_specs] for x in to_caffe(new).network.layers}
        assert (rates["conv"][0], rates["s"][0]) == (1, float(whole))


def test_a_card_that_learns_more_freezes_nothing_again(made):
    model = made()
    unfreeze(model.get_layer("conv"))
    update_card(model, size=(4, 4))
    assert "conv/kernel" in trained(model)
    assert model.card.frozen == (("s", 0),)
