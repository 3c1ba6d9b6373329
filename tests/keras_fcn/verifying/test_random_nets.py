"""The project's second opinion: random networks in onnxruntime and in Keras are the same."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import HealthCheck, given, settings

import keras_fcn
from keras_fcn.caffe.surgery import open_net
from tests.keras_fcn.verifying.random_nets import filled, networks


def check(text, folder):
    """Write the network, and verify it of its files."""
    prototxt, caffemodel = folder / "net.prototxt", folder / "net.caffemodel"
    prototxt.write_text(text)
    net = open_net(prototxt, seed=2)
    filled(net)
    again = folder / "again.prototxt"
    net.save(again, caffemodel)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = keras_fcn.verify(prototxt, weights=caffemodel, keep=False)
    assert report.passed, f"{text}\n{report}"
    assert len(report.compared) >= len(report.results) - 1, f"{text}\n{report}"


HOW = {
    "derandomize": True,
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}


@settings(max_examples=8, **HOW)
@given(networks(layers=5))
def test_a_few(tmp_path_factory, text):
    check(text, tmp_path_factory.mktemp("random"))


@pytest.mark.slow
@settings(max_examples=40, **HOW)
@given(networks(layers=10))
def test_many(tmp_path_factory, text):
    check(text, tmp_path_factory.mktemp("random"))
