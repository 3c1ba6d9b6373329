"""Constructors with weights against Caffe, and with other classes than the weights have."""

from __future__ import annotations

import numpy as np
import pytest

import convert
import keras_fcn
from tests.keras_fcn.models.checks import construct, marked
from tests.reference_nets import STORED, reference_net

GOLDEN = {
    "bvlc_alexnet": "AlexNet",
    "bvlc_googlenet": "GoogLeNet",
    "bvlc_reference_caffenet": "CaffeNet",
    "fcn8s": "FCN8s",
    "dilation8_pascal_voc": "DilatedNetPascalVOC",
}

QUICK = {"bvlc_googlenet"}


@pytest.mark.slow
@pytest.mark.parametrize("case", marked(GOLDEN, slow=GOLDEN.keys() - QUICK))
def test_with_weights_every_blob_equals_caffes(case, tmp_path):
    net = reference_net(case)
    weights = net.write_weights(tmp_path)
    if case == "dilation8_pascal_voc":  # its caffemodel does not tell of the input
        weights = tmp_path / "net.h5"
        convert.convert(net.prototxt, tmp_path / f"{case}.caffemodel", weights)
    model = construct(GOLDEN[case], weights=weights)
    blobs = keras_fcn.blobs(model, {"data": net.inputs["data"]})
    names = convert.load_network(net.prototxt).blobs.keys()
    assert blobs.keys() - {"prob"} == names - {"prob"}
    net.assert_blobs(blobs)


@pytest.mark.slow
def test_segnet_with_weights_equals_caffe_but_for_ties(tmp_path):
    """Of two nearly equal maxima either may win; its place then reaches 7 x 7 cells a level."""
    net = reference_net("segnet_basic")
    model = keras_fcn.SegNetBasic(weights=net.write_weights(tmp_path))
    values = keras_fcn.blobs(model, {"data": net.inputs["data"]})
    compared = 0
    for name, actual in values.items():
        stored = net.arrays.get(f"out/{name}", net.arrays.get(f"sub/{name}"))
        if stored is None:
            continue
        if f"sub/{name}" in net.arrays:
            actual = actual.reshape(-1)[:: int(net.arrays[f"step/{name}"])]
        difference = np.abs(actual - stored) / float(net.arrays[f"stat/{name}"][1])
        if "pool" in name or (name.startswith("conv") and "_" not in name):
            assert difference.max() <= 1e-3, name
        assert (difference > 1e-2).mean() <= 1e-2, name
        compared += 1
    assert compared == STORED["segnet_basic"]


@pytest.mark.slow
def test_a_new_head_leaves_the_rest_loaded(tmp_path):
    net = reference_net("bvlc_googlenet")
    weights = net.write_weights(tmp_path)
    whole = keras_fcn.GoogLeNet(weights=weights)
    with pytest.warns(convert.CaffeWarning, match="'loss3_classifier', which keeps its random"):
        model = keras_fcn.GoogLeNet(weights=weights, classes=5, classifier_activation=None)
    assert model.output_shape == (None, 5)
    for layer in model.layers[:-1]:
        for new, old in zip(layer.weights, whole.get_layer(layer.name).weights, strict=True):
            np.testing.assert_array_equal(new, old)
    body = keras_fcn.GoogLeNet(weights=weights, include_top=False, input_shape=(None, None, 3))
    assert body.output_shape == (None, None, None, 1024)


@pytest.mark.slow
def test_new_classes_of_a_segmentation_network(tmp_path):
    weights = reference_net("fcn8s").write_weights(tmp_path)
    heads = ["score_fr", "upscore2", "score_pool4", "upscore_pool4", "score_pool3", "upscore8"]
    with pytest.warns(convert.CaffeWarning, match=", ".join(map(repr, heads))):
        model = keras_fcn.FCN8s(weights=weights, classes=4)
    assert model.output_shape == (None, None, None, 4)
