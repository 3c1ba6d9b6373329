"""Classifier -> fully convolutional network, and new heads."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn


def classifier():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((12, 10, 3), name="data"),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Flatten(name="flatten"),
            layers.Dense(6, activation="relu", name="fc1"),
            layers.BatchNormalization(name="bn"),
            layers.Dropout(0.5, name="drop"),
            layers.Dense(5, use_bias=False, name="fc2"),
            layers.Softmax(name="prob"),
        ],
        name="classifier",
    )


def randomize(model):
    rng = np.random.default_rng(0)
    model.set_weights([rng.random(w.shape, np.float32) for w in model.get_weights()])
    return model


def test_the_cast_equals_the_classifier_on_its_own_size():
    model = randomize(classifier())
    fcn = keras_fcn.to_fully_convolutional(model)
    x = np.random.default_rng(1).random((2, 12, 10, 3), np.float32)
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(fcn.predict(x, verbose=0)[:, 0, 0], expected, atol=1e-6)
    assert fcn.output_shape == (None, None, None, 5)
    assert [layer.name for layer in fcn.layers][-5:] == [
        "fc1-conv",
        "bn",
        "drop",
        "fc2-conv",
        "prob",
    ]


def test_the_cast_equals_the_classifier_on_every_crop():
    model = randomize(classifier())
    fcn = keras_fcn.to_fully_convolutional(model)
    image = np.random.default_rng(2).random((1, 18, 20, 3), np.float32)
    scores = fcn.predict(image, verbose=0)[0]
    for i in range(scores.shape[0]):
        for j in range(scores.shape[1]):
            crop = image[:, 2 * i : 2 * i + 12, 2 * j : 2 * j + 10]
            np.testing.assert_allclose(scores[i, j], model.predict(crop, verbose=0)[0], atol=1e-5)


def test_functional_chains_are_cast_too():
    model = randomize(classifier())
    functional = keras.Model(model.inputs, model.outputs)
    fcn = keras_fcn.to_fully_convolutional(functional)
    x = np.ones((1, 12, 10, 3), np.float32)
    np.testing.assert_allclose(
        fcn.predict(x, verbose=0)[:, 0, 0], model.predict(x, verbose=0), atol=1e-6
    )


def test_the_cast_has_its_own_variables():
    model = randomize(classifier())
    fcn = keras_fcn.to_fully_convolutional(model)
    before = np.asarray(model.get_layer("conv").kernel)
    fcn.get_layer("conv").kernel.assign(np.zeros_like(before))
    np.testing.assert_array_equal(model.get_layer("conv").kernel, before)


def test_a_branching_model_is_refused():
    x = keras.Input((8, 8, 3))
    y = keras.layers.Conv2D(3, 1)(x)
    model = keras.Model(x, keras.layers.Flatten()(keras.layers.Add()([x, y])))
    with pytest.raises(ValueError, match="one chain of layers"):
        keras_fcn.to_fully_convolutional(model)


def test_layers_that_cannot_follow_are_named():
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Reshape((4, 4), name="back")]
    )
    with pytest.raises(ValueError, match="'back'"):
        keras_fcn.to_fully_convolutional(model)


def test_without_flatten_there_is_nothing_to_cast():
    with pytest.raises(ValueError, match="needs a Flatten"):
        keras_fcn.to_fully_convolutional(keras_fcn.LeNetFCN())


@pytest.mark.parametrize("make", [keras_fcn.LeNet, keras_fcn.LeNetFCN])
def test_replace_head(make):
    model = make()
    new = keras_fcn.replace_head(model, 7)
    assert new.output_shape[-1] == 7
    assert [layer.name for layer in new.layers][-2:] == ["score", "prob"]
    assert new.get_layer("conv1") is model.get_layer("conv1")
    logits = keras_fcn.replace_head(model, 2, name="two", classifier_activation=None)
    assert logits.layers[-1].name == "two"


def test_replace_head_needs_scores():
    model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization(name="bn")])
    with pytest.raises(ValueError, match="'bn'"):
        keras_fcn.replace_head(model, 3)
