"""Outputs that are asked for, and those of networks that read all their blobs."""

from __future__ import annotations

import pytest

import convert
from keras_fcn.caffe.errors import NetworkError

NET = """
layer { name: "d" type: "MemoryData" top: "data" top: "label"
        memory_data_param { channels: 1 height: 4 width: 4 } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
        convolution_param { num_output: 2 kernel_size: 3 } }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
layer { name: "ip" type: "InnerProduct" bottom: "c" top: "ip"
        inner_product_param { num_output: 2 } }
layer { name: "odd" type: "Odd" bottom: "ip" top: "odd" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" }
"""


@pytest.fixture
def load(tmp_path):
    def load(text, **options):
        (tmp_path / "net.prototxt").write_text(text)
        return convert.load_network(tmp_path / "net.prototxt", **options)

    return load


def names(network):
    return [blob.name for blob in network.outputs]


def test_asked_outputs_in_their_order(load):
    network = load(NET, outputs=["ip", "c"])
    assert names(network) == ["ip", "c"]
    assert [layer.name for layer in network.layers] == ["d", "c", "r", "ip"]
    assert [blob.name for blob in network.inputs] == ["data"]  # nobody reads the label
    assert network.unnamed == ()
    assert network.outputs[1].layer == "r"  # the final content
    assert [layer.line for layer in network.layers] == [2, 4, 6, 7]


def test_the_text_is_that_of_the_part(load):
    part = load(NET, outputs=["c"])
    assert names(load(part.text, outputs=["c"])) == ["c"]
    assert "Odd" not in part.text


def test_in_place_layers_on_shared_memory_count(load):
    text = """layer { name: "d" type: "Input" top: "data" input_param { shape { dim: 1 dim: 4 } } }
    layer { name: "s" type: "Split" bottom: "data" top: "a" top: "b" }
    layer { name: "r" type: "ReLU" bottom: "a" top: "a" }
    layer { name: "p" type: "Power" bottom: "b" top: "p" }"""
    assert "r" in [layer.name for layer in load(text, outputs=["b"]).layers]


@pytest.mark.parametrize("outputs", ["ip", [], ["ip", "ip"], [1]])
def test_malformed_outputs(load, outputs):
    with pytest.raises(ValueError, match="outputs is a list of different blob names"):
        load(NET, outputs=outputs)


def test_no_such_blob(load):
    with pytest.raises(NetworkError, match="no blob is named 'ipp'; there are ip"):
        load(NET, outputs=["ipp"])


def test_silenced_ends_are_the_outputs_where_there_are_no_others(load):
    silence = 'layer { name: "s" type: "Silence" bottom: "%s" bottom: "label" }\n'
    text = NET[: NET.index('layer { name: "odd"')]
    assert names(load(text + silence % "ip")) == ["ip"]
    other = 'layer { name: "o" type: "Power" bottom: "c" top: "o" }\n'
    assert names(load(text + other + silence % "ip")) == ["o"]  # what Caffe counts
    assert names(load(NET + 'layer { name: "s" type: "Silence" bottom: "odd" }')) == []
