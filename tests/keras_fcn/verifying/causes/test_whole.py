"""Planted faults are found through the whole of `verify`, from dumps as users have them."""

from __future__ import annotations

import numpy as np
import pytest

import keras_fcn
from tests.keras_fcn.verifying.causes.faults import FAULTS
from tests.keras_fcn.verifying.causes.nets import reference, small

# Faults whose departure the comparison itself has to see rightly.
CHOSEN = (
    "channels",
    "channels_hidden",
    "mean_order",
    "hwc",
    "floor",
    "outside",
    "dropout",
    "axis",
    "before_in_place",
    "before_relu",
    "behind",
    "crop",
    "nearest",
)


def _verified(name, folder):
    fault = FAULTS[name]
    net = small(fault.net, folder)
    weights = folder / f"{fault.net}.caffemodel"
    if not weights.exists():
        net.net.save(folder / f"{fault.net}.again.prototxt", weights)
    data = None if fault.data is None else fault.data(net.data)
    blobs = reference(net, fault.planted, data, fault.shown)
    if not fault.shows_data:
        del blobs["data"]
    np.savez(folder / f"{name}.npz", **blobs)
    prototxt = folder / f"{fault.net}.prototxt"
    return keras_fcn.verify(prototxt, folder / f"{name}.npz", weights=weights, inputs=net.data)


def _check(name, folder):
    fault, report = FAULTS[name], _verified(name, folder)
    assert not report.passed
    assert report.exit_code == 1
    assert report.cause is not None, report.verdict
    assert report.cause.name == fault.cause, report.cause.sentence
    assert fault.says in report.cause.sentence
    first = report.first_departure
    layers = small(fault.net, folder).network.layers
    assert fault.layer in [x.name for x in layers if first.blob in [y.name for y in x.tops]]
    assert fault.cause in report.to_json()["cause"]["name"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("whole")


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOSEN)
def test_faults_are_told_of_dumps(name, folder):
    _check(name, folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["caffenet", "fcn", "resnet", "segnet", "mobilenet"])
def test_a_healthy_dump_passes(name, folder):
    net = small(name, folder)
    np.savez(folder / "healthy.npz", **reference(net))
    weights = folder / f"{name}.healthy.caffemodel"
    net.net.save(folder / f"{name}.healthy.prototxt", weights)
    report = keras_fcn.verify(
        folder / f"{name}.prototxt", folder / "healthy.npz", weights=weights, inputs=net.data
    )
    assert report.passed, report.verdict
    assert report.cause is None


@pytest.mark.slow
def test_a_noisy_dump_gets_no_cause(folder):
    net = small("mobilenet", folder)
    draw = np.random.default_rng(2)
    noisy = {
        name: blob if name == "data" else blob * (1 + 1e-4 * draw.normal(size=blob.shape))
        for name, blob in reference(net).items()
    }
    np.savez(folder / "noisy.npz", **noisy)
    weights = folder / "noisy.caffemodel"
    net.net.save(folder / "noisy.prototxt", weights)
    report = keras_fcn.verify(
        folder / "mobilenet.prototxt", folder / "noisy.npz", weights=weights, inputs=net.data
    )
    assert report.cause is None
    assert "no cause" in " ".join(x.note for x in report.results)
