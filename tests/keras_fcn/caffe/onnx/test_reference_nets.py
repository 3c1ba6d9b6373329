"""Whole networks through onnxruntime against Caffe: every stored blob."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import convert
from keras_fcn.caffe.blobs.caffemodel import CaffeModel, read_caffemodel
from keras_fcn.caffe.net.network import Network
from tests.keras_fcn.caffe.onnx.cases import run, written
from tests.reference_nets import ReferenceNet, reference_net

CASTS = {
    "lenet_full_conv": ("lenet", {"ip1": "ip1-conv", "ip2": "ip2-conv"}),
    "bvlc_caffenet_full_conv": (
        "bvlc_reference_caffenet",
        {"fc6": "fc6-conv", "fc7": "fc7-conv", "fc8": "fc8-conv"},
    ),
}
"""Network -> whose weights it has, and what its layers call them."""


def blobs_of(net: ReferenceNet, folder, through: Callable[[Network, CaffeModel], dict]) -> dict:
    """Every stored blob, as another program gives it."""
    source, rename = CASTS.get(net.folder.name, (net.folder.name, {}))
    model = read_caffemodel(reference_net(source).write_weights(folder), rename)
    shapes = {name: [blob.shape for blob in blobs] for name, blobs in model.items()}
    network = convert.load_network(net.prototxt, shapes=shapes)
    stored = ("out/", "sub/", "shape/")
    kept = {key.partition("/")[2] for key in net.arrays if key.startswith(stored)}
    network = network.with_outputs([name for name in network.blobs if name in kept])
    inputs = {blob.name for blob in network.inputs}
    return through(network, model) | {name: net.inputs[name] for name in inputs & kept}


def by_onnxruntime(net: ReferenceNet, folder) -> dict:
    """Every stored blob, as onnxruntime gives it."""

    def through(network: Network, model: CaffeModel) -> dict:
        file = folder / "net.onnx"
        file.write_bytes(written(network, model))
        return run(file, net.inputs)

    return blobs_of(net, folder, through)


@pytest.mark.parametrize(
    "name",
    [
        "lenet",
        "lenet_full_conv",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (
                "bvlc_alexnet",
                "bvlc_caffenet_full_conv",
                "bvlc_googlenet",
                "bvlc_reference_caffenet",
                "dilation8_pascal_voc",
                "fcn8s",
            )
        ),
    ],
)
def test_network(name, tmp_path):
    net = reference_net(name)
    net.assert_blobs(by_onnxruntime(net, tmp_path))


@pytest.mark.slow
def test_segnet(tmp_path):
    """Near-ties move a few entries of the masks, and what is built on them with those."""
    net = reference_net("segnet_basic")
    blobs = by_onnxruntime(net, tmp_path)
    exact, near = net.fractions_off(blobs, 0), net.fractions_off(blobs, 1e-2)
    assert max(share for name, share in exact.items() if name.endswith("_mask")) <= 4e-5
    assert near["prob"] <= 1e-3
