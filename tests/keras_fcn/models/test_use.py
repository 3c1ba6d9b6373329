"""What the networks give for images of any size, and saving them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.layers.initializers import BilinearOfEach
from tests.keras_fcn.models.cases import CASES, HEAVY
from tests.keras_fcn.models.checks import construct, marked

FCNS = [name for name in CASES if name.startswith("FCN")]

SEGNETS = [name for name in CASES if "SegNet" in name]

# Classifiers that end in a pooling over the whole map.
POOLED = ["ResNet50", "GoogLeNet", "MobileNetV2", "MobileNet", "SqueezeNet11", "SqueezeNet", "NIN"]


@pytest.mark.slow
@pytest.mark.parametrize("name", marked(POOLED, slow=POOLED[::2]))
def test_classifiers_with_a_last_pooling_take_any_size(name):
    model = construct(name, input_shape=(None, None, 3), classes=7)
    scores = model.predict(np.ones((2, 130, 101, 3), np.float32), verbose=0)
    assert scores.shape == (2, 7)
    np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", marked(FCNS, slow=HEAVY))
def test_fcn_scores_every_pixel_of_any_image(name):
    model = construct(name, classes=3)
    assert model.predict(np.ones((1, 33, 47, 3), np.float32), verbose=0).shape == (1, 33, 47, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape"), [("DilatedNetKITTI", (2, 3)), ("DilatedNetCityscapes", (16, 24))]
)
def test_dilated_networks_score_what_lies_within_the_margin(name, shape):
    model = construct(name, classes=3)
    image = np.ones((1, 372 + 16, 372 + 24, 3), np.float32)
    assert model.predict(image, verbose=0).shape == (1, *shape, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", marked(SEGNETS, slow=["SegNet", "BayesianSegNet", "BayesianSegNetBasic"])
)
def test_segnets_score_every_pixel_of_any_image(name):
    model = construct(name, classes=3)
    for size in ((32, 32), (45, 61)):
        assert model.predict(np.ones((2, *size, 3), np.float32), verbose=0).shape == (2, *size, 3)


@pytest.mark.slow
def test_untrained_upsampling_is_bilinear():
    layer = keras_fcn.FCNAlexNet(classes=3).get_layer("upscore")
    assert not layer.trainable
    x = np.zeros((1, 4, 4, 3), np.float32)
    x[..., 1] = 2
    y = np.asarray(layer(x))
    np.testing.assert_allclose(y[0, 40:-40, 40:-40, 1], 2, atol=1e-5)
    assert not y[..., [0, 2]].any()


@pytest.mark.slow
def test_alexnet_cast_to_a_map():
    classifier = keras_fcn.AlexNet(input_shape=(99, 99, 3), classes=3)
    image = np.random.default_rng(0).normal(0, 40, (1, 99, 99, 3)).astype(np.float32)
    fcn = keras_fcn.to_fully_convolutional(classifier)
    expected = classifier.predict(image, verbose=0)
    np.testing.assert_allclose(fcn.predict(image, verbose=0), expected[:, None, None], atol=1e-5)
    assert fcn.predict(np.zeros((1, 131, 99, 3), np.float32), verbose=0).shape == (1, 2, 1, 3)


def test_upsampling_keeps_channels_apart():
    with pytest.raises(ValueError, match=r"as many channels must come out.*\(4, 4, 2, 3\)"):
        BilinearOfEach()((4, 4, 2, 3))


@pytest.mark.slow
def test_saved_and_reloaded(tmp_path):
    model = keras_fcn.SqueezeNet11(input_shape=(None, None, 3))
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    image = np.random.default_rng(0).normal(0, 40, (1, 99, 99, 3)).astype(np.float32)
    np.testing.assert_array_equal(again.predict(image, verbose=0), model.predict(image, verbose=0))
    assert again.caffe == model.caffe


@pytest.mark.slow
def test_a_segmentation_network_is_made_again_from_its_configuration():
    model = keras_fcn.FCNAlexNet(classes=3)
    again = type(model).from_config(model.get_config())
    kernels = [net.get_layer("upscore").get_weights()[0] for net in (model, again)]
    np.testing.assert_array_equal(*kernels)
