"""Planted faults are found at their layer and named; noise is not given a cause."""

from __future__ import annotations

import functools

import pytest

import keras_fcn
from keras_fcn.verifying.causes import explain
from tests.keras_fcn.verifying.causes.departing import departure
from tests.keras_fcn.verifying.causes.faults import FAULTS
from tests.keras_fcn.verifying.causes.nets import reference, small

QUICK = ("channels", "before_in_place", "groups_exchanged", "epsilon", "mask")


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
@pytest.mark.parametrize("name", FAULTS.keys() - set(QUICK))
def test_every_planted_fault_is_named(name, folder):
    _check(FAULTS[name], folder)
