"""Layers of unknown types: left out of a network's end, or all named at once."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.errors import CaffeWarning, UnsupportedLayerError

INPUT = """layer { name: "d" type: "%s" top: "data" top: "label" %s }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param { num_output: 2 } }
"""
TRAINS = INPUT % ("MemoryData", "memory_data_param { channels: 1 height: 2 width: 2 }")
DEPLOY = INPUT % ("Input", "input_param { shape { dim: 1 dim: 4 } }")
END = 'layer { name: "end" type: "%s" bottom: "ip" bottom: "label" top: "end" %s }\n'
READER = 'layer { name: "relu" type: "ReLU" bottom: "end" top: "relu" }\n'
PYTHON = "Python", 'python_param { module: "m" layer: "Measure" }'


@pytest.fixture
def build(tmp_path):
    def build(text, **options):
        (tmp_path / "net.prototxt").write_text(text)
        return keras_fcn.from_caffe(tmp_path / "net.prototxt", **options)

    return build


@pytest.mark.parametrize(
    ("text", "phase"),
    [
        (TRAINS + END % ("OddLoss", ""), "TEST"),
        (DEPLOY + END % ("OddLoss", ""), "TEST"),
        (TRAINS + END % ("OddEvaluate", ""), "TEST"),
        (TRAINS + END % PYTHON, "TEST"),
        (TRAINS + END % ("Odd", ""), "TRAIN"),
        (
            TRAINS + END % ("OddLoss", "") + 'layer { name: "s" type: "Silence" bottom: "end" }',
            "TEST",
        ),
    ],
)
def test_ends_that_measure_are_left_out(build, text, phase):
    with pytest.warns(CaffeWarning, match=r"left out, .*: 'end' \(\w+\); the outputs are ip$"):
        model = build(text, phase=phase)
    assert [tensor.name for tensor in model.inputs] == ["data"]
    assert model.output_shape == (None, 2)


@pytest.mark.parametrize(
    "text",
    [
        TRAINS + END % ("Odd", ""),  # perhaps what the network is for
        DEPLOY + END % PYTHON,
        TRAINS + END % ("OddLoss", "") + READER,
    ],
)
def test_other_unknown_layers_are_named(build, text):
    message = (
        r"net.prototxt:4: layer 'end' \(\w+\): keras-fcn does not build this type. Register a "
        r"function that does: @keras_fcn.register\('(Odd|OddLoss|Measure)'\), or build without: "
        r"outputs=\['ip'\]$"
    )
    with pytest.raises(UnsupportedLayerError, match=message):
        build(text)


def test_several_types_are_named_at_once(build):
    text = DEPLOY + "".join(
        f'layer {{ name: "{name}" type: "{kind}" bottom: "ip" top: "{name}" }}\n'
        for name, kind in [("a", "Odd"), ("b", "Other"), ("c", "Odd")]
    )
    message = (
        "does not build 2 types: 'Odd' on line 4, layer 'a' and 1 more; 'Other' on line 5, "
        r"layer 'b'. Register a function for each.*build without: outputs=\['ip'\]"
    )
    with pytest.raises(UnsupportedLayerError, match=message):
        build(text)


def test_asked_outputs_need_no_unknown_layer(build):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = build(DEPLOY + END % ("Odd", "") + READER, outputs=["ip"], seed=0)
    assert [tensor.name for tensor in model.inputs] == ["data"]
    assert model.output_shape == (None, 2)


def test_asked_outputs_that_need_one(build):
    with pytest.raises(UnsupportedLayerError, match=r"'end'.*Odd.*does not build this type"):
        build(DEPLOY + END % ("Odd", "") + READER, outputs=["relu"])


CHAIN = """input: "data" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 3
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
        convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "gaussian" } } }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
layer { name: "p" type: "Power" bottom: "c" top: "p" power_param { scale: 2 } }
layer { name: "s" type: "Silence" bottom: "p" }
"""


def test_inner_blobs_as_outputs(build, tmp_path):
    model = build(CHAIN, outputs=["p", "c", "data"], seed=1)
    x = np.random.default_rng(0).normal(size=(2, 2, 3, 3)).astype(np.float32)
    blobs = keras_fcn.blobs(model, x)
    values = model.predict({"data": np.moveaxis(x, 1, -1)}, verbose=0)
    for name, value in zip(("p", "c", "data"), values, strict=True):
        np.testing.assert_array_equal(np.moveaxis(value, -1, 1), blobs[name])
    assert blobs["c"].min() == 0
    np.testing.assert_array_equal(blobs["p"], 2 * blobs["c"])
    keras_fcn.export(model, tmp_path / "part", "caffe")
    part = convert.load_network(tmp_path / "part.prototxt", outputs=["p", "c"])
    assert [layer.name for layer in part.layers] == ["input", "c", "r", "p"]


def test_a_silenced_end_is_an_output(build):
    assert build(CHAIN).output_shape[-1] == 3


def test_a_known_type_is_told_with_its_fork(build):
    with pytest.raises(UnsupportedLayerError, match=r"this type, which is lmb-freiburg/flownet2's"):
        build(DEPLOY + 'layer { name: "n" type: "ChannelNorm" bottom: "ip" top: "n" }')
