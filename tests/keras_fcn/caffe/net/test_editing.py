"""Networks are frozen; an edit gives another network, resolved again."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.activation import Dropout
from keras_fcn.caffe.layers.pooling import Pooling
from keras_fcn.caffe.net.fitting import fit_weights
from keras_fcn.caffe.net.network import NetState, Network, Reading
from keras_fcn.caffe.net.saving import from_config, to_config
from keras_fcn.caffe.text.prototxt import parse_net

TEXT = """name: "small"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "source" type: "Data" top: "label" include { phase: TRAIN } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 2 }
  convolution_param { num_output: 4 kernel_size: 3 engine: CAFFE } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
  inner_product_param { num_output: 10 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss"
  include { phase: TRAIN } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" include { phase: TEST } }
"""


@pytest.fixture
def net() -> Network:
    return Network.of(parse_net(TEXT).definition, path="net.prototxt")


def with_outputs(layer, count):
    return dataclasses.replace(layer.params, num_output=count)


def test_nothing_of_a_network_can_be_set(net):
    for frozen in (net, net.layers[0], net.layers[0].tops[0], net.definition):
        with pytest.raises(dataclasses.FrozenInstanceError):
            frozen.name = "other"


def test_equal_networks_compute_the_same(net):
    spelt_out = TEXT.replace("num_output: 10", "num_output: 10 axis: 1 bias_term: true")
    same = Network.of(parse_net(spelt_out).definition)
    assert same == net
    assert hash(same.layers) == hash(net.layers)
    assert same.definition != net.definition
    other = Network.of(parse_net(TEXT.replace("lr_mult: 2", "lr_mult: 3")).definition)
    assert other != net
    assert Network.of(parse_net(TEXT).definition, Reading(NetState("TRAIN"))) != net


def test_a_head_of_other_classes_and_name(net):
    new = net.replace("fc", params=with_outputs(net.layer("fc"), 3), name="fc_new")
    assert [layer.name for layer in new.layers] == ["data", "conv", "relu", "fc_new", "prob"]
    assert new.blobs["prob"].shape == (1, 3)
    assert new.layer("fc_new").weight_shapes == ((3, 144), (3,))
    assert net.blobs["prob"].shape == (1, 10)
    train = Network.of(parse_net(new.text).definition, Reading(NetState("TRAIN")))
    assert [layer.name for layer in train.layers][-1] == "loss"  # other states stay


def test_what_an_edit_does_not_touch_stays(net):
    new = net.replace(net.layer("conv"), params=with_outputs(net.layer("conv"), 6))
    assert new.layer("conv").param_specs == net.layer("conv").param_specs
    assert new.layer("relu").tops[0].shape == (1, 6, 6, 6)
    assert new.layer("relu").line == net.layer("relu").line
    assert new.definition.layers[1] == net.definition.layers[1]


def test_layers_in_the_place_of_one(net):
    pool = LayerDefinition(
        "pool", "Pooling", ("conv",), ("pool",), fields=Pooling(kernel_size=(2, 2)).write()
    )
    drop = LayerDefinition("drop", "Dropout", ("pool",), ("pool",), fields=Dropout().write())
    fc = dataclasses.replace(net.layer("fc").definition, bottoms=("pool",))
    new = net.replace("fc", pool, drop, fc)
    assert [layer.type for layer in new.layers][3:6] == ["Pooling", "Dropout", "InnerProduct"]
    assert new.layer("fc").weight_shapes == ((10, 100), (10,))


def test_names_of_layers_and_blobs(net):
    new = net.rename({"fc": "score"}, blobs={"fc": "score", "data": "image"})
    assert new.layer("score").tops[0].name == "score"
    assert new.layer("prob").bottoms == new.layer("score").tops
    assert [blob.name for blob in new.inputs] == ["image"]
    assert new.rename({"score": "fc"}, blobs={"score": "fc", "image": "data"}) == net


def test_an_edit_that_does_not_hold_together(net):
    with pytest.raises(NetworkError, match=r"net.prototxt:8: layer 'fc' .*bottom 'nothing'"):
        net.replace("fc", bottoms=("nothing",))
    with pytest.raises(KeyError):
        net.replace("fc9", name="fc")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_output": "4"}, "'num_output' takes an integer from 0 on, not '4'"),
        ({"kernel_size": (2.5,)}, r"'kernel_size' takes an integer from 0 on, .*not \(2.5,\)"),
        ({"kernel_size": 3}, "'kernel_size' takes an integer from 0 on, in a tuple, not 3"),
    ],
)
def test_a_value_that_no_field_takes(net, changes, message):
    params = dataclasses.replace(net.layer("conv").params)
    for name, value in changes.items():
        object.__setattr__(params, name, value)
    with pytest.raises(NetworkError, match=rf"net.prototxt:5: layer 'conv' .*{message}"):
        net.replace("conv", params=params)


def test_what_is_no_attribute_or_no_parameters(net):
    with pytest.raises(NetworkError, match=r"typed parameters, such as .* Received: {'pool'"):
        net.replace("conv", params={"pool": "AVE"})
    with pytest.raises(ValueError, match="no attribute 'parms'"):
        net.replace("conv", parms=net.layer("conv").params)


def test_a_part_of_the_network(net):
    part = net.with_outputs(["conv"])
    assert [layer.name for layer in part.layers] == ["data", "conv", "relu"]
    assert part.outputs == part.layer("relu").tops


@pytest.mark.parametrize("outputs", [None, ("conv",)])
def test_plain_data(net, outputs):
    net = net if outputs is None else net.with_outputs(outputs)
    config = json.loads(json.dumps(to_config(net)))
    assert from_config(config, "model") == net


def test_fields_without_effect_stay(net):
    new = net.replace("conv", params=with_outputs(net.layer("conv"), 6))
    assert new.layer("conv").definition.fields == {
        "convolution_param": {"num_output": 6, "kernel_size": (3,), "engine": "CAFFE"}
    }
    other = net.replace("conv", params=Pooling(kernel_size=(3, 3)), type="Pooling", param_specs=())
    assert other.layer("conv").definition.fields == {"pooling_param": {"kernel_size": 3}}


def test_a_python_layer_stays_in_its_module():
    inputs = {"scores": "dim: 18 dim: 4 dim: 4", "boxes": "dim: 36 dim: 4 dim: 4", "info": "dim: 3"}
    text = "".join(
        f'layer {{ name: "{x}" type: "Input" top: "{x}" input_param {{ shape {{ dim: 1 {y} }} }} }}'
        for x, y in inputs.items()
    )
    text += """layer { name: "rois" type: "Python" bottom: "scores" bottom: "boxes" bottom: "info"
      top: "rois" python_param { module: "my.rpn.proposal_layer" layer: "ProposalLayer"
      param_str: "'feat_stride': 16" share_in_parallel: true } }"""
    net = Network.of(parse_net(text).definition)
    params = dataclasses.replace(net.layer("rois").params, feat_stride=8)
    new = net.replace("rois", params=params).layer("rois")
    assert new.params == params
    assert new.definition.fields["python_param"] == {
        "module": "my.rpn.proposal_layer",
        "layer": "ProposalLayer",
        "param_str": "{'feat_stride': 8}",
        "share_in_parallel": True,
    }


@pytest.mark.parametrize(
    ("layers", "blobs", "message"),
    [
        ({}, {"fc": "conv"}, "two blobs would be called 'conv'"),
        ({}, {"fc": "new", "conv": "new"}, "two blobs would be called 'new'"),
        ({"fc": "conv"}, {}, "two layers would be called 'conv'"),
        ({"fc9": "score"}, {}, "there is no layer 'fc9'"),
        ({}, {"fc9": "score"}, "there is no blob 'fc9'"),
    ],
)
def test_names_that_cannot_be_given(net, layers, blobs, message):
    with pytest.raises(ValueError, match=message):
        net.rename(layers, blobs=blobs)


def test_a_layer_of_a_network_before_its_edits_is_found_by_its_name(net):
    edited = net
    for layer in net.layers:
        if layer.type in ("Convolution", "InnerProduct"):
            edited = edited.replace(layer, params=with_outputs(layer, 7))
    assert [edited.layer(name).params.num_output for name in ("conv", "fc")] == [7, 7]


@pytest.mark.parametrize(
    ("given", "changes", "error", "message"),
    [
        ((), {}, ValueError, "neither, for 'relu'"),
        ("definition", {"name": "new"}, ValueError, "both, for 'relu'"),
        ("layer", {}, TypeError, "LayerDefinition each, such as layer.definition.*Received: Layer"),
    ],
)
def test_what_is_put_in_place_is_said_once(net, given, changes, error, message):
    layer = net.layer("relu")
    new = {"definition": (layer.definition,), "layer": (layer,)}.get(given, ())
    with pytest.raises(error, match=message):
        net.replace("relu", *new, **changes)


def test_parameters_are_those_of_the_layers_type(net):
    params = net.layer("conv").params
    with pytest.raises(NetworkError, match=r"Convolution are no parameters of .* 'ReLU'"):
        net.replace("relu", params=params)
    assert net.replace("relu", type="Convolution", params=params).layer("relu").params == params


def test_names_can_be_exchanged_and_be_those_of_other_states(net):
    swapped = net.rename({"conv": "fc", "fc": "conv"}, blobs={"conv": "fc", "fc": "conv"})
    assert swapped.layer("conv").type == "InnerProduct"
    assert swapped.layer("conv").bottoms == swapped.layer("relu").tops
    assert net.rename({"prob": "loss"}, blobs={"prob": "loss"}).outputs[0].name == "loss"


def test_a_part_remembers_who_shares_what_was_cut():
    text = """
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 4 } } }
    layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" param { name: "w" }
      inner_product_param { num_output: 3 bias_term: false } }
    layer { name: "b" type: "InnerProduct" bottom: "data" top: "b" param { name: "w" }
      inner_product_param { num_output: 3 bias_term: false } }
    """
    part = Network.of(parse_net(text).definition, Reading(outputs=("b",)))
    assert part.replace("b", params=part.layer("b").params) == part
    renamed = part.rename({"b": "c"}, blobs={"b": "c"})
    kernel = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert np.array_equal(fit_weights(renamed, {"a": [kernel]})["c"][0], kernel)
