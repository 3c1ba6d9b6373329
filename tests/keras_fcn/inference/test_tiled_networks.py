"""The published segmentation networks, tile by tile and at odd sizes, as on the whole image."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from tests.keras_fcn.inference.test_exact_tiles import apart

pytestmark = pytest.mark.slow
NARROWER = 16


def narrow(model):
    """The network with fewer channels in its wide convolutions, and seeded weights."""

    def made(layer):
        config = layer.get_config()
        if config.get("filters", 0) >= 64 and layer.trainable:
            config["filters"] //= NARROWER
        return type(layer).from_config(config)

    return seeded(keras.models.clone_model(model, clone_function=made))


def seeded(model):
    """Weights with which no map is constant or grows; bilinear upsampling stays."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, x.shape) for x in layer.weights])
        elif layer.trainable and layer.weights:
            shapes = [x.shape for x in layer.weights]
            scales = [np.sqrt(2 / np.prod(x[:-1])) if len(x) > 1 else 0.1 for x in shapes]
            layer.set_weights([rng.normal(0, s, x) for s, x in zip(scales, shapes, strict=True)])
    return model


@pytest.mark.parametrize(
    ("make", "size", "tile"),
    [
        (keras_fcn.FCN8s, (911, 1037), 720),
        (keras_fcn.FCN16s, (911, 1037), 720),
        (keras_fcn.FCN32s, (911, 1037), 720),
        (keras_fcn.DilatedNetFrontEnd, (701, 533), 500),
    ],
)
def test_of_vgg(make, size, tile):
    check(narrow(make(classifier_activation=None)), size, tile)


@pytest.fixture
def doubles():
    """In float32 two values of a pooling's window may swap places by rounding, which moves them."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("size", [(1707, 203), (203, 1707)])
def test_enet(doubles, size):
    """Its positions see 1241 pixels, and unpooling puts values where pooling found them."""
    check(seeded(keras_fcn.ENet(classifier_activation=None)), size, 1404)


def check(model, size, tile):
    far, seen = apart(model, size, tile)
    assert far <= 1e-5
    assert len(seen) > 1
    assert max(max(one) for one in seen) <= tile
