"""What the tests of the constructors share."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.net.network import Network
from tests.golden import assert_close
from tests.keras_fcn.models.cases import CASES
from tests.thorough import THOROUGH

_DILATED = ("DilatedNetCamVid", "DilatedNetCityscapes", "DilatedNetKITTI")
LIKE = {
    **dict.fromkeys(("FCN16s", "FCN32s", "FCN8sAtOnce"), "FCN8s"),
    **dict.fromkeys(("ResNet101", "ResNet152"), "ResNet50"),
    **dict.fromkeys(_DILATED, "DilatedNetPascalVOC"),
    "BayesianSegNet": "SegNet",
    "BayesianSegNetBasic": "SegNetBasic",
    "SqueezeNet11": "SqueezeNet",
    "VGG19": "VGG16",
}
"""Network -> one of the same kinds of layers, which lead to one another in the same ways."""


def marked(names: Iterable[str], slow: Container[str]) -> list[Any]:
    """Parameters of a test, those that take long marked as slow."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in slow else name for name in names]


def one_of_each(names: Iterable[str], slow: Container[str]) -> list[Any]:
    """The same; those that are like another one are left out, unless the tests are thorough."""
    return marked([name for name in names if THOROUGH or name not in LIKE], slow)


def construct(name: str, **options: Any) -> Any:
    case = CASES[name]
    return getattr(keras_fcn, case.constructor or name)(**case.options, **options)


def weight_shapes(network: Network) -> dict[str, list[tuple[int, ...]]]:
    """Keras layer -> shapes of its weights, for a network in Caffe's terms."""
    shapes = {}
    for layer in network.layers:
        if layer.weight_shapes:
            blobs = [np.broadcast_to(np.float32(0), shape) for shape in layer.weight_shapes]
            shapes[layer.keras_name] = [weight.shape for weight in layer.keras_weights(blobs)]
    return shapes


def randomize(model, seed=0):
    """Weights that keep the values of a deep network in range."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        for weight in layer.weights:
            shape = tuple(weight.shape)
            if weight.name in ("moving_variance", "scale"):
                value = rng.uniform(0.5, 1.5, shape)
            elif len(shape) > 1:
                fan_in = np.prod(shape[:-1])
                value = rng.standard_normal(shape, np.float32) * np.sqrt(2 / fan_in)
            else:
                value = rng.normal(0, 0.1, shape)
            weight.assign(value.astype(np.float32))


def last_tops(network: Network) -> dict[str, tuple[str, int]]:
    """Blob -> the last layer that writes it, and which of its tops it is."""
    return {
        top.name: (layer.keras_name, index)
        for layer in network.layers
        for index, top in enumerate(layer.tops)
    }


def last_layers(model: Any) -> dict[str, tuple[str, int]]:
    """Like :func:`last_tops`, by what a model knows of its blobs."""
    return {**model.caffe.blobs, **model.caffe.contents}


def assert_same_blobs(model: Any, reference: Any, image: np.ndarray) -> None:
    """The blobs of both for an image (N, H, W, C), but for scores' softmax, are the same."""
    data = np.moveaxis(image, -1, 1)
    actual, expected = keras_fcn.blobs(model, data), keras_fcn.blobs(reference, data)
    assert actual.keys() - {"prob"} == expected.keys() - {"prob"}
    assert "prob" in actual
    for name, blob in expected.items():
        assert actual[name].shape == blob.shape, name
        assert_close(actual[name], blob, 1e-4)
