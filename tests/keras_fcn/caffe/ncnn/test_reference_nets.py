"""Whole networks in ncnn against Caffe: every stored blob."""

from __future__ import annotations

import pytest

from keras_fcn.caffe.errors import UnsupportedLayerError
from tests.keras_fcn.caffe.ncnn.cases import run, written
from tests.keras_fcn.caffe.onnx.test_reference_nets import blobs_of
from tests.reference_nets import reference_net

pytest.importorskip("ncnn")


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
    net.assert_blobs(blobs_of(net, tmp_path, lambda *network: run(written(*network), net.inputs)))


def test_segnet_is_refused(tmp_path):
    net = reference_net("segnet_basic")
    with pytest.raises(UnsupportedLayerError, match=r"'pool1' \(Pooling\): its mask"):
        blobs_of(net, tmp_path, lambda *network: written(*network))
