"""Models of from_caffe that were changed: names, what is frozen, and layers of forks."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.to_caffe import to_caffe
from tests.keras_fcn.to_caffe.trips import assert_same

SIZES = "input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } }"
NET = f"""
layer {{ name: "data" type: "Input" top: "data" {SIZES} }}
layer {{ name: "a/conv" type: "Convolution" bottom: "data" top: "a/conv"
         param {{ lr_mult: 1 }} param {{ lr_mult: 0 decay_mult: 0 }}
         convolution_param {{ num_output: 4 kernel_size: 3 pad: 1 }} }}
layer {{ name: "a/relu" type: "ReLU" bottom: "a/conv" top: "a/conv" }}
layer {{ name: "pool" type: "Pooling" bottom: "a/conv" top: "pool" top: "mask"
         pooling_param {{ kernel_size: 2 stride: 2 }} }}
layer {{ name: "norm" type: "Normalize" bottom: "pool" top: "norm"
         norm_param {{ across_spatial: false channel_shared: false }} }}
layer {{ name: "up" type: "Upsample" bottom: "norm" bottom: "mask" top: "up" }}
layer {{ name: "score" type: "Convolution" bottom: "up" top: "score"
         convolution_param {{ num_output: 5 kernel_size: 1 }} }}
layer {{ name: "prob" type: "Softmax" bottom: "score" top: "prob" }}
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    model = keras_fcn.from_caffe(path, seed=0)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape))
    return model


def rates(network):
    """Layer -> learning-rate multipliers of its parameters."""
    return {
        layer.name: [spec.lr_mult for spec in layer.param_specs]
        for layer in network.layers
        if layer.param_specs
    }


def test_a_net_that_is_as_it_was_says_what_was_frozen_since(model):
    model.get_layer("score").trainable = False
    net = to_caffe(model)
    assert rates(net.network) == {"a/conv": [1, 0], "score": [0, 0]}
    assert [layer.name for layer in net.network.layers][-2:] == ["score", "prob"]


@pytest.mark.filterwarnings("ignore:.*BVLC Caffe 1.0 lacks")
def test_what_trains_again_has_a_learning_rate_again(model):
    changed = keras_fcn.replace_head(model, 2)
    for each in (model, changed):
        conv = each.get_layer(each.layers[1].name)
        conv.trainable = False
        assert rates(to_caffe(each).network)["a/conv"] == [0, 0]
        conv.trainable = True
        assert [weight.trainable for weight in conv.weights] == [True, True]
        assert rates(to_caffe(each).network).get("a/conv", [1, 1]) == [1, 1]
        conv.bias.trainable = False
        assert rates(to_caffe(each).network)["a/conv"] == [1, 0]


@pytest.mark.filterwarnings("ignore:.*BVLC Caffe 1.0 lacks")
def test_a_new_head_leaves_names_layers_and_frozen_weights(model, tmp_path):
    changed = keras_fcn.replace_head(model, 2)
    changed.get_layer("norm").trainable = False
    keras_fcn.export(changed, tmp_path / "new.caffemodel")
    network = convert.load_network(tmp_path / "new.prototxt")
    old = convert.load_network(tmp_path / "net.prototxt")
    assert [(x.name, x.type) for x in network.layers[:6]] == [
        (x.name, x.type) for x in old.layers[:6]
    ]
    assert rates(network) == {"a/conv": [1, 0], "norm": [0]}
    again = keras_fcn.from_caffe(tmp_path / "new.prototxt", tmp_path / "new.caffemodel")
    assert [layer.name for layer in again.layers] == [layer.name for layer in changed.layers]
    assert_same(changed, again, (8, 8, 3))


@pytest.mark.filterwarnings("ignore:.*BVLC Caffe 1.0 lacks")
def test_old_weights_load_into_the_changed_net_by_name(model, tmp_path):
    keras_fcn.export(model, tmp_path / "old.caffemodel")
    changed = keras_fcn.replace_head(model, 2)
    keras_fcn.export(changed, tmp_path / "new.caffemodel")
    old, new = (convert.load_weights(tmp_path / f"{name}.caffemodel") for name in ("old", "new"))
    for name in ("a/conv", "norm"):
        for first, second in zip(old[name], new[name], strict=True):
            np.testing.assert_array_equal(np.asarray(first), np.asarray(second))


@pytest.mark.filterwarnings("ignore:.*BVLC Caffe 1.0 lacks")
def test_a_model_that_was_rewired_keeps_its_layers(model, tmp_path):
    x = model.get_layer("up").output
    rewired = keras.Model(model.inputs[0], keras.layers.Conv2D(2, 3, name="new")(x))
    to_caffe(rewired, {rewired.inputs[0].name: (1, 3, 8, 8)}).save(
        tmp_path / "new.prototxt", tmp_path / "new.caffemodel"
    )
    again = keras_fcn.from_caffe(tmp_path / "new.prototxt", tmp_path / "new.caffemodel")
    assert_same(rewired, again, (8, 8, 3))
