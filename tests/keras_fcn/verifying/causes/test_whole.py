"""Planted faults are found through the whole of `verify`, from dumps as users have them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.surgery.net import open_net
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


PORT = """
name: "port"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 16 dim: 16 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param {
  num_output: 6 kernel_size: 3 pad: 1 stride: 2 weight_filler { type: "msra" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2" convolution_param {
  num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }
layer { name: "fc" type: "InnerProduct" bottom: "conv2" top: "fc"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
"""


def _verified(name, folder, without=()):
    fault = FAULTS[name]
    net = small(fault.net, folder)
    weights = folder / f"{fault.net}.caffemodel"
    if not weights.exists():
        net.net.save(folder / f"{fault.net}.again.prototxt", weights)
    data = None if fault.data is None else fault.data(net.data)
    blobs = reference(net, fault.planted, data, fault.shown)
    if not fault.shows_data:
        del blobs["data"]
    blobs = {blob: array for blob, array in blobs.items() if blob not in without}
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
@pytest.mark.parametrize(
    ("name", "without", "seen"),
    [
        ("alpha", ["pool1", "norm1"], "conv2"),
        ("groups_exchanged", ["norm1", "conv2"], "pool2"),
        ("hwc", ["fc6"], "fc7"),
    ],
)
def test_a_fault_in_layers_that_a_dump_leaves_out_is_told(name, without, seen, folder):
    report = _verified(name, folder, without)
    assert report.first_departure.blob == seen
    assert report.cause is not None
    assert report.cause.name == FAULTS[name].cause
    assert repr(FAULTS[name].layer) in report.cause.sentence


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


@pytest.mark.slow
def test_mistakes_of_a_port_to_keras_are_told(folder):
    """A port by hand with one mistake at a time, its weights copied rightly."""
    path = folder / "port.prototxt"
    path.write_text(PORT)
    net = open_net(path, seed=4)
    net.save(folder / "port2.prototxt", folder / "port.caffemodel")
    mistakes = {
        "": {},
        "layer left out": {"activation": None},
        "HWC for CHW flattening": {"hwc": True},
        "channels swapped": {"swapped": True},
        "padding on the other side": {"padding": "same"},
    }
    for cause, mistake in mistakes.items():
        port = _port(net, **mistake)
        report = keras_fcn.verify(path, port, weights=folder / "port.caffemodel")
        assert report.passed is (not cause), report.verdict
        assert (report.cause.name if report.cause else "") == cause, report.verdict


def _port(net, *, padding=None, activation="relu", hwc=False, swapped=False):
    x = image = keras.Input((16, 16, 3), name="data")
    if swapped:
        x = x[..., ::-1]
    if padding is None:
        x, padding = keras.layers.ZeroPadding2D(1)(x), "valid"
    x = keras.layers.Conv2D(6, 3, 2, padding=padding, name="conv1", activation=activation)(x)
    x = keras.layers.Conv2D(6, 3, padding="same", name="conv2", activation="relu")(x)
    x = keras.layers.Dense(5, name="fc")(keras.layers.Flatten()(x))
    model = keras.Model(image, x)
    for name in ("conv1", "conv2"):
        kernel, bias = net.params[name]
        model.get_layer(name).set_weights([kernel.transpose(2, 3, 1, 0), bias])
    kernel, bias = net.params["fc"]
    if not hwc:
        kernel = kernel.reshape(5, 6, 8, 8).transpose(0, 2, 3, 1).reshape(5, -1)
    model.get_layer("fc").set_weights([kernel.T, bias])
    return model


@pytest.mark.slow
def test_zeros_prove_nothing(folder):
    """A net whose weights are all 0, as where a file has none for it, is said to be."""
    path = folder / "zeros.prototxt"
    path.write_text(PORT.replace('weight_filler { type: "msra" }', ""))
    net = open_net(path, seed=0)
    net.save(folder / "zeros2.prototxt", folder / "zeros.caffemodel")
    report = keras_fcn.verify(path, weights=folder / "zeros.caffemodel")
    assert (report.exit_code, report.first_departure) == (2, None)
    assert "proves little: conv1, conv2" in " ".join(report.notes)
