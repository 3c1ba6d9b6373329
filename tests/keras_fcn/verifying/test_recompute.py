"""One layer by itself gives what it gives in its network."""

from __future__ import annotations

import dataclasses

import numpy as np

import keras_fcn
from keras_fcn.caffe.layers.activation import ReLU
from keras_fcn.inference.one_layer import OneLayer
from keras_fcn.to_caffe import to_caffe

NET = """
name: "small"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 2 dim: 6 dim: 5 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" }
    bias_filler { type: "constant" value: 0.1 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" relu_param { negative_slope: 0.1 } }
layer { name: "flat" type: "Flatten" bottom: "conv" top: "flat" }
layer { name: "ip" type: "InnerProduct" bottom: "flat" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
"""


def test_layers_by_themselves(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    model = keras_fcn.from_caffe(path, seed=1)
    net = to_caffe(model)
    data = np.random.default_rng(0).normal(size=(2, 2, 6, 5)).astype(np.float32)
    whole = keras_fcn.blobs(model, data)
    compute = OneLayer(net.network)

    def top(name, *bottoms, **params):
        layer = net.network.layer(name)
        if params:
            layer = dataclasses.replace(layer, params=dataclasses.replace(layer.params, **params))
        return compute(layer, net.params.get(name, []), bottoms)[0]

    conv = top("conv", data)
    assert conv.min() < 0
    np.testing.assert_allclose(top("relu", conv), whole["conv"], atol=1e-6)
    assert isinstance(net.network.layer("relu").params, ReLU)
    assert top("relu", conv, negative_slope=0.0).min() == 0
    np.testing.assert_allclose(top("flat", whole["conv"]), whole["flat"], atol=1e-6)
    np.testing.assert_allclose(top("ip", whole["flat"]), whole["ip"], atol=1e-5)
    # One that reads the map itself has its kernel in the map's order.
    np.testing.assert_allclose(top("ip", whole["conv"]), whole["ip"], atol=1e-5)
