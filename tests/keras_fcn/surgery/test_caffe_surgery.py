"""Nets after surgery compute what they computed before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe import surgery
from keras_fcn.samples import sample_path

PLATE = sample_path("lenet_plate.prototxt"), sample_path("lenet_plate.caffemodel")

BATCH_NORMS = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 4 dim: 9 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 6 kernel_size: 3 group: 2 bias_term: false } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "bn" }
layer { name: "scale" type: "Scale" bottom: "bn" top: "bn" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "bn" top: "bn" }
layer { name: "up" type: "Deconvolution" bottom: "bn" top: "up"
  convolution_param { num_output: 4 kernel_size: 2 stride: 2 group: 2 } }
layer { name: "up_bn" type: "BatchNorm" bottom: "up" top: "up_bn" batch_norm_param { eps: 0.01 } }
layer { name: "up_bias" type: "Bias" bottom: "up_bn" top: "up_bias" }
layer { name: "ip" type: "InnerProduct" bottom: "up_bias" top: "ip"
  inner_product_param { num_output: 5 } }
layer { name: "ip_scale" type: "Scale" bottom: "ip" top: "ip" }
layer { name: "both" type: "Convolution" bottom: "up_bias" top: "both"
  convolution_param { num_output: 3 kernel_size: 1 } }
layer { name: "both_bn" type: "BatchNorm" bottom: "both" top: "both_bn" }
layer { name: "sum" type: "Eltwise" bottom: "both" bottom: "both_bn" top: "sum" }
"""


def final_blobs(net: surgery.TrainedNet, folder: Path, name: str, data: np.ndarray) -> dict:
    net.save(folder / f"{name}.prototxt", folder / f"{name}.caffemodel")
    model = keras_fcn.from_caffe(folder / f"{name}.prototxt", folder / f"{name}.caffemodel")
    return keras_fcn.blobs(model, {"data": data})


def test_folding_changes_no_output(tmp_path):
    (tmp_path / "net.prototxt").write_text(BATCH_NORMS)
    net = surgery.open_net(tmp_path / "net.prototxt")
    rng = np.random.default_rng(7)
    for name, blobs in net.params.items():
        net.params[name] = [rng.uniform(0.3, 2, np.shape(blob)) for blob in blobs]
    data = rng.normal(size=(2, 4, 9, 8)).astype(np.float32)
    folded = surgery.fold_batch_norm(net)
    assert [layer.name for layer in folded.network.layers] == [
        *("data", "conv", "relu", "up", "ip", "both", "both_bn", "sum")
    ]
    before = final_blobs(net, tmp_path, "before", data)
    after = final_blobs(folded, tmp_path, "after", data)
    for blob in ("ip", "sum"):
        largest = np.abs(before[blob]).max()
        np.testing.assert_allclose(after[blob], before[blob], rtol=0, atol=1e-5 * largest)


def test_a_cast_net_equals_the_classifier_on_every_crop(tmp_path):
    net = surgery.open_net(*PLATE)
    (data,) = net.network.inputs
    _, channels, height, width = data.shape
    rng = np.random.default_rng(5)
    image = rng.uniform(0, 1, (1, channels, height + 8, width + 12)).astype(np.float32)
    crops = [
        image[0, :, 4 * i : 4 * i + height, 4 * j : 4 * j + width]
        for i in range(3)
        for j in range(4)
    ]
    fcn = surgery.to_fully_convolutional(
        surgery.resize(net, {data.name: (1, channels, height, width)})
    )
    larger = surgery.resize(fcn, {data.name: image.shape})
    several = surgery.resize(net, {data.name: (len(crops), channels, height, width)})
    maps = final_blobs(larger, tmp_path, "fcn", image)
    rows = final_blobs(several, tmp_path, "classifier", np.stack(crops))
    scores, expected = maps["ip2-conv"], rows["ip2"]
    assert scores.shape[2:] == (3, 4)
    np.testing.assert_allclose(
        scores[0].reshape(len(scores[0]), -1).T,
        expected,
        rtol=0,
        atol=1e-5 * np.abs(expected).max(),
    )


def test_bias_raised_by_one_raises_the_mean_by_one(tmp_path):
    net = surgery.open_net(*PLATE)
    (data,) = net.network.inputs
    image = np.random.default_rng(1).uniform(size=data.shape).astype(np.float32)
    before = final_blobs(net, tmp_path, "before", image)["conv1"].mean()
    net.params["conv1"][1] += 1
    after = final_blobs(net, tmp_path, "after", image)["conv1"].mean()
    assert after - before == pytest.approx(1, abs=1e-5)
