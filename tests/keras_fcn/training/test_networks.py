from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.layers import ArgMax, Crop
from keras_fcn.models.fcn import upscore
from keras_fcn.training import networks
from tests.keras_fcn.training.autodiff import array
from tests.keras_fcn.training.nets import tiny


def score(x, classes=3, **kwargs):
    return keras.layers.Conv2D(classes, 1, name="score", **kwargs)(x)


@pytest.mark.parametrize(
    ("ends", "logits"),
    [
        ([], True),
        ([keras_fcn.PixelwiseSoftmax()], True),
        ([keras_fcn.PixelwiseSoftmax(flatten=True)], True),
        ([keras.layers.Activation("softmax"), ArgMax(axis=1)], True),
    ],
)
def test_scores_are_what_the_softmax_reads(ends, logits):
    inputs = keras.Input((8, 8, 1))
    x = scores = score(inputs)
    for layer in ends:
        x = layer(x)
    found = networks.scores(keras.Model(inputs, x))
    assert found.tensor is scores
    assert found.are_logits is logits


def test_probabilities_that_a_convolution_makes():
    inputs = keras.Input((8, 8, 1))
    assert not networks.scores(keras.Model(inputs, score(inputs, activation="softmax"))).are_logits


def test_a_classifier_gives_no_map():
    with pytest.raises(ValueError, match="to_fully_convolutional"):
        networks.scores(keras_fcn.LeNet())


def test_freezing_by_pattern():
    model = tiny()
    networks.freeze(model, ("conv*",))
    assert list(networks.parameters(model)) == ["score/kernel", "score/bias"]
    with pytest.raises(ValueError, match=r"'pool\*'.*conv1, conv2"):
        networks.freeze(model, ("pool*",))


def test_weights_stay_float32_in_mixed_precision():
    model = tiny()
    image = np.ones((1, 8, 8, 3), np.float32)
    exact = array(model(image))
    with networks.computing_in(model, "mixed_bfloat16"):
        half = model.get_layer("conv1")(image)
        assert keras.backend.standardize_dtype(half.dtype) == "bfloat16"
        assert model.get_layer("conv1").kernel.dtype == "float32"
        rough = array(model(image))
        assert rough.dtype == "float32"
    assert model.get_layer("conv1").dtype_policy.name == "float32"
    np.testing.assert_array_equal(array(model(image)), exact)
    np.testing.assert_allclose(rough, exact, atol=0.02)
    assert np.abs(rough - exact).max() > 0


def branching(classes=3):
    """Scores of two maps, as in FCN-16s."""
    inputs = keras.Input((None, None, 1), name="data")
    fine = keras.layers.Conv2D(4, 3, 2, padding="same", name="pool4")(inputs)
    coarse = keras.layers.Conv2D(4, 3, 2, padding="same", name="fc7")(fine)
    coarse = upscore(classes, 2, "upscore2")(
        keras.layers.Conv2D(classes, 1, name="score_fr")(coarse)
    )
    skip = keras.layers.Conv2D(classes, 1, name="score_pool4")(fine)
    both = keras.layers.Add(name="fuse")([Crop(2, 1, name="crop")([coarse, skip]), skip])
    up = upscore(classes, 2, "upscore")(both)
    return keras.Model(inputs, Crop(2, 1, name="score")([up, inputs]), name="branching")


def test_new_scores_of_a_network_that_branches(tmp_path):
    model = branching()
    new = keras_fcn.replace_head(model, 5)
    image = np.random.default_rng(0).random((1, 16, 24, 1), np.float32)
    assert new(image).shape == (1, 16, 24, 5)
    names = {layer.name for layer in new.layers}
    replaced = {"score_fr", "upscore2", "score_pool4", "upscore"}
    assert {f"{name}_5" for name in replaced} <= names
    assert not replaced & names
    assert new.get_layer("fc7") is model.get_layer("fc7")
    assert not new.get_layer("upscore_5").trainable
    kernel = array(new.get_layer("upscore_5").kernel)
    np.testing.assert_array_equal(
        kernel[..., 0, 0], array(model.get_layer("upscore").kernel)[..., 0, 0]
    )
    assert not kernel[..., 0, 1].any()
    new.save(tmp_path / "new.keras")
    again = keras.models.load_model(tmp_path / "new.keras")
    np.testing.assert_array_equal(array(again(image)), array(new(image)))


def test_scores_behind_other_weights_cannot_be_made_anew():
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.BatchNormalization(name="bn")(score(inputs))
    with pytest.raises(ValueError, match="'bn'"):
        keras_fcn.replace_head(keras.Model(inputs, x), 5)
