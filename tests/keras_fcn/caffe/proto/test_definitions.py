"""Messages <-> definitions <-> text: nothing is lost, numbers are bit for bit the same."""

import math
from dataclasses import replace

import numpy as np
import pytest

from keras_fcn.caffe.definition import (
    Fields,
    LayerDefinition,
    NetDefinition,
    ParamSpec,
    StateRule,
    Word,
)
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.proto.definitions import net_definition, net_message, to_text
from keras_fcn.caffe.proto.fields import shortest
from keras_fcn.caffe.text.prototxt import parse_net

SHAPE = {"shape": [{"dim": [1, 3]}]}
SHARED = ParamSpec("b", 0.0, 2.0, "PERMISSIVE", Fields(filler={"type": "xavier"}))
NET = NetDefinition(
    'Net \N{GREEK SMALL LETTER ALPHA} "quoted" \\ \'\n\t\x01',
    (
        LayerDefinition(
            "in/put",
            "Input",
            tops=("data",),
            fields=Fields(input_param=SHAPE),
        ),
        LayerDefinition(
            "conv",
            "Convolution",
            ("data",),
            ("conv",),
            (
                ParamSpec(),
                SHARED,
            ),
            (0.0, 0.5),
            (True, False),
            "TRAIN",
            include=(StateRule("TEST", 0, 3, ("a", "b"), ("c",)), StateRule()),
            fields=Fields(convolution_param={"kernel_size": (3, 5), "engine": Word("CUDNN")}),
        ),
        LayerDefinition("relu", "ReLU", ("conv",), ("conv",), fields=Fields(relu_param={})),
        LayerDefinition(
            "fork",
            "Fork",
            exclude=(StateRule(max_level=-1),),
            fields=Fields(fork_param={"rate": 0.1, "how": Word("MEAN"), "to": "x", "list": (1, 2)}),
        ),
    ),
    "TEST",
    2,
    ("deploy",),
    force_backward=True,
    debug_info=True,
    others=Fields(engine="MKL2017"),
)


def read(text):
    return parse_net(text).definition


def test_text_of_a_definition_reads_as_the_same():
    with_lines = read(to_text(NET))
    assert with_lines == NET
    assert [layer.line for layer in with_lines.layers] == [10, 21, 60, 68]


def test_a_message_of_a_definition_is_the_same_but_for_what_the_schema_lacks():
    less = replace(NET, layers=NET.layers[:-1])
    assert net_definition(net_message(less)) == less
    assert net_definition(net_message(NET)).layers[-1].fields == Fields()


@pytest.mark.parametrize("value", ["0.1", "1e-5", "1e-45", "3.4028235e38", "16777217", "-0.0"])
def test_numbers_are_the_same_bit_for_bit(value):
    number = float(np.float32(value))
    assert np.float32(shortest(number)).tobytes() == np.float32(value).tobytes()
    net = f'layer {{ type: "Power" power_param {{ shift: {value} }} }}'
    once = read(net)
    twice = read(to_text(once))
    assert once == twice
    shifts = [x.layers[0].fields["power_param"]["shift"] for x in (once, twice)]
    assert math.copysign(1, shifts[0]) == math.copysign(1, shifts[1])


def test_what_is_no_number_and_what_is_endless():
    net = 'layer { type: "Power" power_param { shift: nan scale: -inf power: inf } }'
    once = read(net)
    assert once == read(net) == read(to_text(once))
    assert once.layers[0].fields["power_param"]["scale"] == -math.inf
    assert shortest(1e39) == "inf"


@pytest.mark.parametrize(
    "fields",
    [
        {"num_output": 1.5},
        {"num_output": -1},
        {"num_output": (1, 2)},
        {"kernel_size": 3},
        {"weight_filler": "xavier"},
        {"engine": "FAST"},
        {"bias_term": "yes"},
    ],
)
def test_a_value_that_a_field_cannot_hold_is_refused(fields):
    layer = LayerDefinition("x", "Convolution", fields=Fields(convolution_param=fields))
    with pytest.raises(NetworkError, match=f"field '{next(iter(fields))}' takes"):
        net_message(NetDefinition("n", (layer,)))
    with pytest.raises(NetworkError, match=f"field '{next(iter(fields))}' takes"):
        to_text(NetDefinition("n", (layer,)))


def test_an_older_form_has_no_definition():
    with pytest.raises(ValueError, match="current form"):
        net_definition(parse_net('input: "data" input_dim: 1').message)


def test_what_a_binary_file_says_beyond_the_schema():
    """Numbers that an enum lacks are passed over; strings that are no UTF-8 are Latin-1."""
    source = b"\x9a\x07\x06\x0a\x04caf\xe9"  # image_data_param's source
    pool = b"\xca\x07\x02\x08\x4d"  # pooling_param's pool is 77
    layer = b"\x12\x01x" + source + pool
    message = schema.new("NetParameter")
    message.ParseFromString(b"\xa2\x06" + bytes([len(layer)]) + layer)
    net = net_definition(message)
    accented = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    assert net.layers[0].fields == {"image_data_param": {"source": accented}, "pooling_param": {}}
    assert read(to_text(net)) == net


@pytest.mark.parametrize("name", ["\ud800", b"\xff"])
def test_names_that_no_text_holds_are_refused(name):
    with pytest.raises(NetworkError, match=r"not plain text|takes a string"):
        to_text(NetDefinition(layers=(LayerDefinition(name, "ReLU"),)))


def test_long_lists_are_quick():
    points = tuple(range(20_000))
    net = NetDefinition(
        layers=(LayerDefinition("s", "Slice", fields=Fields(slice_param={"slice_point": points})),)
    )
    assert read(to_text(net)) == net
