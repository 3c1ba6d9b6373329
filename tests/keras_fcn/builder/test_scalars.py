"""Layers over blobs without axes, such as losses."""

from __future__ import annotations

import numpy as np
import pytest

import keras_fcn

HEAD = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "a" type: "Reduction" bottom: "data" top: "a" reduction_param { operation: SUMSQ } }
layer { name: "b" type: "Reduction" bottom: "data" top: "b" }
"""
X = np.array([[1, -2, 0.5], [0.3, 0.2, -0.7]], "f4")
A, B = float((X**2).sum()), float(X.sum())
BOTH = 'bottom: "a" bottom: "b"'
LAYERS = {
    "sum": (f'type: "Eltwise" {BOTH}', A + B),
    "sum of three": (f'type: "Eltwise" {BOTH} bottom: "a"', 2 * A + B),
    "product": (f'type: "Eltwise" {BOTH} eltwise_param {{ operation: PROD }}', A * B),
    "maximum": (f'type: "Eltwise" {BOTH} eltwise_param {{ operation: MAX }}', max(A, B)),
    "coeff": (f'type: "Eltwise" {BOTH} eltwise_param {{ coeff: 2 coeff: -1 }}', 2 * A - B),
    "power": ('type: "Power" bottom: "a" power_param { scale: 2 shift: 1 }', 2 * A + 1),
    "relu": ('type: "ReLU" bottom: "b"', max(B, 0)),
    "sigmoid": ('type: "Sigmoid" bottom: "b"', 1 / (1 + np.exp(-B))),
    "dropout": ('type: "Dropout" bottom: "a"', A),
    "split": ('type: "Split" bottom: "a" top: "u"', A),
    "scale": (f'type: "Scale" {BOTH} scale_param {{ axis: 0 }}', A * B),
    "bias": (f'type: "Bias" {BOTH} bias_param {{ axis: 0 }}', A + B),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_elementwise(kind, tmp_path):
    settings, expected = LAYERS[kind]
    path = tmp_path / "net.prototxt"
    path.write_text(HEAD + f'layer {{ name: "t" top: "t" {settings} }}')
    model = keras_fcn.from_caffe(path)
    found = keras_fcn.blobs(model, X)["t"]
    assert found.shape == ()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_loss_that_is_read_is_an_output_too(tmp_path):
    """Caffe splits it: one copy for the reader, one for the net's loss."""
    path = tmp_path / "net.prototxt"
    total = f'layer {{ name: "t" type: "Eltwise" {BOTH} top: "t" }}'
    weighed = HEAD.replace('bottom: "data" top: "b"', 'bottom: "data" top: "b" loss_weight: 0.5')
    for head, outputs in ((HEAD, ["t"]), (weighed, ["b", "t"])):
        path.write_text(head + total)
        assert keras_fcn.from_caffe(path).output_names == outputs
