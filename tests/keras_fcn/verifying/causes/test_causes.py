"""Planted faults are found at their layer and named; noise is not given a cause."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

import keras_fcn
from keras_fcn.verifying.causes import HYPOTHESES, explain
from tests.keras_fcn.verifying.causes.departing import departure
from tests.keras_fcn.verifying.causes.faults import FAULTS
from tests.keras_fcn.verifying.causes.nets import NETS, reference, small

QUICK = ("channels", "scale_017", "alpha", "floor", "mask", "axis_segnet", "order_of_concat")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("nets")


@functools.cache
def _ours(name, folder):
    """Every blob as the package gives it."""
    net = small(name, folder)
    path = folder / f"{name}.caffemodel"
    net.net.save(folder / f"{name}.again.prototxt", path)
    model = keras_fcn.from_caffe(folder / f"{name}.prototxt", path)
    return keras_fcn.blobs(model, net.data)


def _departure(fault, folder):
    net = small(fault.net, folder)
    data = None if fault.data is None else fault.data(net.data)
    theirs = reference(net, fault.planted, data, fault.shown)
    return departure(
        net,
        _ours(fault.net, folder),
        theirs,
        hidden=() if fault.shows_data else ("data",),
        mean=fault.mean,
    )


def _check(fault, folder):
    found = _departure(fault, folder)
    names = [found.layer.name, *(layer.name for layer, _ in found.followers)]
    assert fault.layer in names
    cause = explain(found)
    assert cause is not None
    assert cause.name == fault.cause, cause.sentence
    assert fault.says in cause.sentence
    assert cause.after < 1e-4 < 1e-5 + cause.before or cause.after < cause.before / 100


@pytest.mark.parametrize("name", QUICK)
def test_planted_faults_are_named(name, folder):
    _check(FAULTS[name], folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAULTS if name not in QUICK])
def test_every_planted_fault_is_named(name, folder):
    _check(FAULTS[name], folder)


@pytest.mark.parametrize("name", ["caffenet", "segnet", "mobilenet"])
def test_a_healthy_network_does_not_depart(name, folder):
    net = small(name, folder)
    assert departure(net, _ours(name, folder), reference(net)) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_noise_has_no_cause(name, folder):
    """Noise of 1e-4 on every blob, as of a reference in half precision."""
    net = small(name, folder)
    draw = np.random.default_rng(5)
    theirs = {
        blob: values * (1 + 1e-4 * draw.normal(size=values.shape)).astype(np.float32)
        if blob not in ("data", "mask")
        else values
        for blob, values in reference(net).items()
    }
    ours = _ours(name, folder)
    found, seen = set(), []
    while (each := departure(net, ours | {x: theirs[x] for x in found}, theirs)) is not None:
        found.add(each.result.blob)
        seen.append(explain(each))
    assert len(seen) > 5
    assert set(seen) == {None}


@pytest.mark.slow
def test_a_fault_in_noise_is_named(folder):
    net = small("mobilenet", folder)
    draw = np.random.default_rng(5)
    clean = reference(net, FAULTS["order_of_concat"].planted)
    theirs = {x: v * (1 + 1e-4 * draw.normal(size=v.shape)) for x, v in clean.items()}
    found = departure(net, _ours("mobilenet", folder), theirs, least=5e-3)
    assert found.layer.name == "cat"
    assert explain(found).name == "order of inputs"


@pytest.mark.slow
def test_of_two_faults_the_first_is_named(folder):
    net = small("caffenet", folder)
    planted = FAULTS["alpha"].planted | FAULTS["bias"].planted
    found = departure(net, _ours("caffenet", folder), reference(net, planted))
    assert found.layer.name == "norm1"
    assert explain(found).name == "LRN alpha"


@pytest.mark.slow
def test_two_faults_of_one_layer_get_no_false_name(folder):
    net = small("mobilenet", folder)
    both = {"dw": {"blobs": lambda own: [own[0][:, :, ::-1, ::-1], 0 * own[1]]}}
    found = departure(net, _ours("mobilenet", folder), reference(net, both))
    assert found.layer.name == "dw"
    assert explain(found) is None


@pytest.mark.slow
def test_causes_that_explain_equally_are_all_named(folder):
    """Whether a ReLU is left out or its blob shown too early, the next blobs alone tell."""
    net = small("segnet", folder)
    theirs = reference(net, shown={"conv1": "conv1"})
    found = departure(net, _ours("segnet", folder), theirs)
    assert found.recovers
    for recovers, name in ((True, "in-place order"), (False, "layer left out")):
        assert explain(replace(found, recovers=recovers)).name == name
    cause = explain(replace(found, recovers=None))
    assert set(cause.name.split(" or ")) == {"in-place order", "layer left out"}
    assert "do not tell" in cause.sentence


@pytest.mark.slow
def test_weights_of_another_training_are_told(folder):
    net = small("fcn", folder)
    other = np.random.default_rng(9).normal(0, 0.005, net.blobs["conv1"][0].shape)
    planted = {"conv1": {"blobs": lambda own: [other, own[1]]}}
    found = departure(net, _ours("fcn", folder), reference(net, planted))
    assert explain(found).name == "other weights"


@pytest.mark.slow
def test_weights_of_another_training_are_told_though_a_relu_hides_outputs(folder):
    """Of outputs that are 0 nearly everywhere nothing can be told; the others speak."""
    net = small("segnet", folder)
    other = np.random.default_rng(9).normal(0, 0.005, net.blobs["conv1"][0].shape)
    bias = np.array([1.0, -1e3, 1.0, 1.0])
    found = departure(
        net,
        _ours("segnet", folder),
        reference(net, {"conv1": {"blobs": lambda own: [other, bias]}}),
    )
    cause = explain(found)
    assert cause.name == "other weights"
    assert "3 of 4 outputs" in cause.sentence


def test_every_kind_has_a_hypothesis():
    """All causes that are promised are in the table."""
    assert len(HYPOTHESES) > 30
    assert all(x.sentence and callable(x.edits) for x in HYPOTHESES.values())
    named = {fault.cause for fault in FAULTS.values()}
    assert named <= set(HYPOTHESES)
    assert len(FAULTS) >= 30
