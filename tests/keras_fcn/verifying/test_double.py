"""The network in float64: right, bounded, and told where it is not there."""

from __future__ import annotations

import numpy as np
import pytest

import keras_fcn
from keras_fcn.verifying import double
from keras_fcn.verifying.double import Doubles
from keras_fcn.verifying.verifying import subject_of
from tests.keras_fcn.verifying.nets import BLOBS, dump


@pytest.fixture(scope="module")
def subject(net):
    return subject_of(net.prototxt, net.caffemodel)


def test_blobs_are_those_of_the_network(net, subject):
    """Two images, as an operator may take the batch for channels."""
    data = np.concatenate([net.data, -net.data])
    doubles, blobs = Doubles(subject, {"data": data}, BLOBS), keras_fcn.blobs(net.model, data)
    for name in BLOBS:
        made = doubles.of(name)
        assert made.dtype in (np.float64, np.int64)
        assert np.abs(made - blobs[name]).max() <= 1e-5 * np.abs(blobs[name]).max()
    assert doubles.lacking == ""


def test_blobs_may_be_passed_over(net, subject):
    doubles = Doubles(subject, {"data": net.data}, BLOBS)
    assert np.allclose(doubles.of("sum"), net.blobs["sum"], rtol=1e-4)
    assert len(doubles._values) <= 2


def test_it_stops_where_it_would_take_long(net, subject, monkeypatch):
    monkeypatch.setattr(double, "SECONDS", 0.0)
    doubles = Doubles(subject, {"data": net.data}, BLOBS)
    assert [doubles.of(name) for name in BLOBS] == [None] * len(BLOBS)
    assert "its Conv takes longer than the 0 s that are given to it" in doubles.lacking
    assert Doubles(subject, {"data": net.data}, BLOBS, bounded=False).of("prob") is not None


def test_an_operator_that_it_does_not_know_is_named(net, subject, monkeypatch):
    evaluated = double._evaluated

    def refused(node, read):
        if node.op_type == "MaxPool":
            raise NotImplementedError("no such operator")
        return evaluated(node, read)

    monkeypatch.setattr(double, "_evaluated", refused)
    doubles = Doubles(subject, {"data": net.data}, BLOBS)
    assert doubles.of("norm/1") is not None
    assert doubles.of("pool1") is None
    assert doubles.of("ip") is None
    assert "its MaxPool raised NotImplementedError: no such operator" in doubles.lacking


def test_a_report_tells_of_it(net, tmp_path, monkeypatch):
    path = dump(tmp_path / "dump.npz", net)
    verified = lambda x, **how: keras_fcn.verify(net.model, x, **how)  # noqa: E731
    own = verified("self")
    assert own.float64 == "8 blobs by ONNX's reference evaluator"
    assert all(x.double < 1e-5 for x in own.results if not x.fed)
    assert "\nfloat64: 8 blobs" in str(own)
    assert own.to_json()["blobs"][1]["double"] == own.results[1].double
    assert verified(path).float64 == "not needed, as no blob is apart"
    assert verified(path, float64=True).float64.startswith("8 blobs")
    assert verified("self", float64=False).float64 == "not computed, as asked"
    monkeypatch.setattr(double, "find_spec", lambda name: None)
    assert "pip install onnx" in verified("self").float64


def test_it_tells_rounding_from_a_small_fault(net, tmp_path):
    """Of layers that are not shown between, where whole networks may be as far apart."""
    moved = net.blobs["prob"] * np.float32([1, 1 + 1e-4, 1 - 1e-4, 1, 1])
    path = dump(tmp_path / "dump.npz", net, {"prob": moved})
    assert keras_fcn.verify(net.model, path, float64=False).passed
    report = keras_fcn.verify(net.model, path)
    assert (report.exit_code, report.results[-1].verdict) == (2, "noise")
    assert report.results[-1].their_double > 10 * report.results[-1].double
