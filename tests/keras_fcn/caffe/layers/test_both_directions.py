"""Blobs become Keras weights and come back, for every type that has weights."""

from __future__ import annotations

import numpy as np
import pytest

import convert
from keras_fcn.caffe.net.assembly import load_network
from keras_fcn.caffe.net.fitting import fit_weights
from tests.golden import assert_close, layer_case, layer_case_names

NAMES = [name for name in layer_case_names("*") if layer_case(name).weights]
TYPES = {
    *("BatchNorm", "Bias", "Convolution", "Deconvolution", "Embed", "InnerProduct", "LSTM"),
    *("PReLU", "Parameter", "RNN", "Scale"),
}


def _layers(name: str):
    case = layer_case(name)
    about = case.case
    net = load_network(
        case.prototxt, about["phase"], about.get("level", 0), about.get("stages", ())
    )
    blobs = fit_weights(net, convert.load_weights(case.weights))
    return [(layer, blobs[layer.name]) for layer in net.layers if layer.name in blobs]


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", NAMES)
def test_blobs_come_back(name):
    for layer, blobs in _layers(name):
        weights = layer.keras_weights(blobs)
        assert len({weight.name for weight in weights}) == len(weights)
        for weight in weights:
            assert weight.array().shape == weight.shape
        listed = [weight.listed for weight in weights]
        assert listed == sorted(listed, reverse=True), "weights that Keras lacks come last"
        arrays = [weight.array() for weight in weights]
        back = layer.params.caffe_blobs(arrays, layer.flattened_channels)
        assert len(back) == len(blobs)
        for blob, again in zip(blobs, back, strict=True):
            assert again.shape == blob.shape
            if layer.type == "BatchNorm" and blobs[2] != 0:
                assert_close(again, blob, 1e-6)  # through a division
            elif layer.type != "BatchNorm":
                np.testing.assert_array_equal(again, blob)


def test_every_type_with_weights_is_covered():
    assert {layer.type for name in NAMES for layer, _ in _layers(name)} >= TYPES
