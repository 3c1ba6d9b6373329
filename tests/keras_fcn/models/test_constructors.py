"""Every constructor against its network's definition in Caffe's terms."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.names import keras_name
from keras_fcn.layers import SampledDropout
from tests.golden import assert_close
from tests.keras_fcn.models.cases import CASES
from tests.keras_fcn.models.checks import (
    assert_same_blobs,
    construct,
    last_layers,
    last_tops,
    marked,
    randomize,
    weight_shapes,
)

QUICK = {"SqueezeNet"}
ONE_OF_EACH = {"AlexNet", "GoogLeNet", "MobileNet", "FCN8s"}


@pytest.mark.parametrize("name", marked(CASES, slow=CASES.keys() - QUICK - ONE_OF_EACH))
def test_names_and_shapes_are_those_of_the_network(name, tmp_path, zeros):
    case = CASES[name]
    network = case.network(case.published, tmp_path)
    model = construct(name)
    actual = {
        layer.name: [tuple(weight.shape) for weight in layer.weights]
        for layer in model.layers
        if layer.weights
    }
    assert actual == weight_shapes(network)
    assert {layer.keras_name for layer in network.layers} <= {
        keras_name(layer.name) for layer in model.layers
    } | {"data", "prob"}
    assert sum(np.prod(weight.shape) for weight in model.trainable_weights) == case.trained
    assert last_layers(model) == {"prob": ("prob", 0)} | last_tops(network)


def outputs_of(model, names, image):
    """Layer -> what it gives; a pooling's maxima and mask side by side."""
    probe = keras.Model(model.inputs[0], {name: model.get_layer(name).output for name in names})
    return {
        name: np.concatenate([np.asarray(x) for x in keras.tree.flatten(outputs)], axis=-1)
        for name, outputs in probe(image, training=False).items()
    }


@pytest.fixture
def sober(monkeypatch):
    """Layers that drop at all times do not."""
    monkeypatch.setattr(SampledDropout, "call", lambda self, inputs, training=False: inputs)


@pytest.mark.parametrize("name", marked(CASES, slow=CASES.keys() - QUICK))
def test_every_layer_and_blob_equals_from_caffe(name, tmp_path, sober):
    case = CASES[name]
    network = case.network(case.small, tmp_path)
    reference = keras_fcn.from_caffe(tmp_path / "net.prototxt")
    randomize(reference)
    height, width = case.small[0], case.small[-1]
    model = construct(name, input_shape=(height, width, 3))
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(reference.get_layer(layer.name).get_weights())
    image = np.random.default_rng(1).normal(0, 40, (1, height, width, 3)).astype(np.float32)
    names = [layer.keras_name for layer in network.layers if layer.keras_name != "data"]
    expected = outputs_of(reference, names, image)
    for layer, actual in outputs_of(model, names, image).items():
        assert_close(actual.reshape(expected[layer].shape), expected[layer], 1e-4)
    assert len(names) >= 15
    assert_same_blobs(model, reference, image)
