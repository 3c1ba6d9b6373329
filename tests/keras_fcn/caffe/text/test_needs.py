"""Unknown fields and values: an error where a network needs them, else one note."""

from __future__ import annotations

import re
import warnings

import pytest

import convert
from keras_fcn.caffe.definition import Fields, ParamSpec, Word
from keras_fcn.caffe.errors import CaffeWarning, NetworkError, PrototxtError
from keras_fcn.caffe.layers.pooling import Pooling
from keras_fcn.caffe.net.network import NetState
from keras_fcn.caffe.proto.definitions import net_message, to_text
from keras_fcn.caffe.text.prototxt import parse_net, read_net
from keras_fcn.caffe.text.reader import _MOST_UNKNOWN

CONV = 'layer { name: "c" type: "Convolution" %s convolution_param { num_output: 2 %s } }'
V1 = 'layers { name: "c" type: CONVOLUTION %s convolution_param { num_output: 2 %s } }'
V0 = 'layers { bottom: "x" %s layer { name: "c" type: "conv" num_output: 2 %s } }'
TRAIN = "include { phase: TRAIN }"

VALUES = [
    "fork: 1",
    "fork: -1.5e3f",
    "fork: LABEL",
    'fork: "a" \'b\'\n"c"',
    "fork { a: 1 b { c: [1, 2] } d: 'e' }",
    "fork: < a: < b { } > >",
    "fork: [1, [2], { a: 3 }]",
    "fork [ { a: 1 }, < b: 2 > ];",
    "fork {}",
    "fork: [],",
]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("text", [f"{CONV} input_dim: 5", f"{V1} input_dim: 5"])
def test_field_of_a_layer_is_passed_over_with_a_note(text, value):
    net = parse_net(text % (f"\n{value}\n", "pad: 1"), "net.prototxt")
    assert net.message == parse_net(text % ("", "pad: 1")).message
    (note,) = net.notes
    assert re.match(r"net.prototxt:2: (V1)?LayerParameter has no field 'fork'; it is pas", note)


@pytest.mark.parametrize("value", VALUES)
def test_field_of_the_net_is_passed_over_with_a_note(value):
    net = parse_net(f'name: "a"\n{value} debug_info: true', "net.prototxt")
    assert (net.message.name, net.message.debug_info) == ("a", True)
    assert net.notes == ("net.prototxt:2: NetParameter has no field 'fork'; it is passed over",)


def test_one_note_for_all_places():
    text = "\n".join(CONV % ("fork: 1 spoon: 2", "") for _ in range(8))
    again = "it is passed over, and on line 2, 3, 4, 5, 6, ..."
    assert parse_net(text, "net").notes == tuple(
        f"net:1: LayerParameter has no field '{name}'; {again}" for name in ("fork", "spoon")
    )


NEEDED = [
    (CONV, ("", "fork: 1"), "ConvolutionParameter has no field 'fork'; it is unknown here"),
    (CONV, ("", "kernal_size: 1"), "ConvolutionParameter has no field 'kernal_size'; did you mean"),
    (V1, ("", "fork: 1"), "ConvolutionParameter has no field 'fork'"),
    (V0, ("", "fork: 1"), "V0LayerParameter has no field 'fork'"),
    ('layer { name: "c" typ: "ReLU" } %s%s', ("", ""), "LayerParameter has no field 'typ'"),
    ('layers { name: "c" type: PRELU } %s%s', ("", ""), "field 'type' cannot be 'PRELU'"),
]


@pytest.mark.parametrize(
    ("layer", "meant"),
    [
        ('type: "Dropout" dropout_parm { dropout_ratio: 0.3 }', "dropout_param"),
        ('type: "Pooling" poolingparam { pool: AVE }', "pooling_param"),
        ('type: "SoftmaxWithLoss" loss_parm { ignore_label: 255 }', "loss_param"),
        ('type: "BN" bn_params { bn_mode: INFERENCE }', "bn_param"),
    ],
)
def test_a_misspelt_message_is_needed(layer, meant):
    with pytest.raises(PrototxtError, match=f"LayerParameter has no field .* you mean '{meant}'"):
        parse_net(f"layer {{ {layer} }}")


def test_advice_is_never_to_remove():
    with pytest.raises(PrototxtError) as caught:
        parse_net(CONV % ("", "fork: 1"))
    assert "may change the numbers" in str(caught.value)
    assert "remove" not in str(caught.value)


def test_data_that_a_filler_makes_is_needed():
    text = 'layer { type: "DummyData" dummy_data_param { data_filler { fork: 1 } } }'
    with pytest.raises(PrototxtError, match="FillerParameter has no field 'fork'"):
        parse_net(text)


@pytest.mark.parametrize(("text", "filled", "message"), NEEDED)
def test_what_a_layer_needs_is_an_error(text, filled, message):
    with pytest.raises(PrototxtError, match=f"^net.prototxt:3: {message}"):
        parse_net(f"\n\n{text % filled}", "net.prototxt")


@pytest.mark.parametrize(("text", "filled", "message"), NEEDED)
def test_a_layer_that_is_left_out_needs_nothing(text, filled, message):
    text = text.replace('name: "c"', f'name: "c" {TRAIN}') if text != V0 else V0
    filled = (TRAIN, filled[1]) if text == V0 else filled
    net = parse_net(text % filled, "net.prototxt", NetState("TEST").keeps)
    assert message.split(";")[0] in net.notes[0]
    with pytest.raises(PrototxtError):
        parse_net(text % filled, "net.prototxt", NetState("TRAIN").keeps)


@pytest.mark.parametrize(
    "text",
    [
        'layer { type: "ForkLayer" convolution_param { fork: 1 pool: "x" } }',
        'layer { type: "ImageData" image_data_param { fork: 1 } transform_param { a { b: 1 } } }',
        CONV % ("param { fork: 1 lr_mult: 1 }", ""),
        CONV % ("transform_param { fork: 1 }", ""),
        CONV % ("", "engine: OPENCL"),
        CONV % ("", "weight_filler { fork: 1 }"),
        V1 % ("", "bias_filler { fork { a: 1 } }"),
        CONV % ("phase: VALIDATION", ""),
    ],
)
def test_what_changes_nothing_is_not_needed(text):
    assert parse_net(text).notes


@pytest.mark.parametrize(
    "text",
    [
        CONV % ("include { phase: VALIDATION }", ""),
        CONV % ("exclude { fork: 1 }", ""),
        CONV % ("include {} exclude {}", "fork: 1"),
        "state { fork: 1 }",
        "state { phase: VALIDATION }",
        "input_shape { fork: 1 }",
        "layers { blob_share_mode: [STRICT, LOOSE] }",
    ],
)
def test_what_chooses_layers_is_needed(text):
    with pytest.raises(PrototxtError, match=r":1: "):
        parse_net(text, "net", NetState("TEST").keeps)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fork { a: 1", ":1: the file ends where a '}' is missing"),
        ("fork: [1, 2", "the file ends where a ']' is missing"),
        ("fork < }", "expected a field name, found '}'"),
        ("fork: }", "expected a value, found '}'"),
        ("fork:", "expected a value, found 'end of file'"),
        ("fork 1", "NetParameter has no field 'fork'; it is unknown here"),
        ("fork: 1 2", "expected a field name|has no field '2'"),
        ("fork {" * 101, "more than 100 messages in one another"),
        ("a: 1 " * (_MOST_UNKNOWN + 1), "and 10000 fields before it are unknown"),
    ],
)
def test_values_that_are_none(text, message):
    with pytest.raises(PrototxtError, match=message):
        parse_net(text, "net")


def test_deep_but_allowed():
    assert parse_net("fork {" * 99 + "}" * 99).notes


def test_reading_a_file_warns_once(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(f"{CONV % ('fork: 1', '')}\n{CONV % ('fork: 1', '')}")
    with pytest.warns(CaffeWarning) as caught:
        net = read_net(path)
    assert [str(warning.message) for warning in caught] == list(net.notes)
    assert net.notes == (
        f"{path}:1: LayerParameter has no field 'fork'; it is passed over, and on line 2",
    )


def test_known_fields_are_not_noted(small):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_net(small.prototxt).notes == ()


def test_network_with_a_forks_fields_is_built(small):
    plain = convert.load_network(small.prototxt)
    text = small.prototxt.read_text().replace('type: "Convolution"', 'type: "Convolution" f: 1')
    small.prototxt.write_text(text)
    with pytest.warns(CaffeWarning, match=r"has no field 'f'; it is passed over, and on line \d"):
        network = convert.load_network(small.prototxt)
    assert network == plain


def test_network_says_what_was_passed_over(small, tmp_path):
    text = small.prototxt.read_text().replace('name: "small"', 'name: "small" f: 1', 1)
    train = CONV % (f'top: "t" {TRAIN}', "fork: 1 kernel_size: 1")
    small.prototxt.write_text(f"{text}{train}")
    with pytest.warns(CaffeWarning):
        network = convert.load_network(small.prototxt)
    assert [note.split(": ")[1].split(";")[0] for note in network.notes] == [
        "NetParameter has no field 'f'",
        "ConvolutionParameter has no field 'fork'",
    ]
    with pytest.warns(CaffeWarning):
        report = convert.convert(small.prototxt, small.caffemodel, tmp_path / "net.h5")
    assert report.notes == network.notes
    with pytest.raises(PrototxtError, match="ConvolutionParameter has no field 'fork'"):
        convert.load_network(small.prototxt, phase="TRAIN")


def test_what_is_passed_over_is_kept_as_data():
    text = """layer { name: "a" type: "Fork" fork_param { size: 2 on: true to: "a" 'b' how: MEAN
      list: [1, -2.5] list: 3 empty: [] inner { x: 1e3 } inner < y: 0x10 >
      huge: 123456789012345678901 } }
    layer { type: "Pooling" pooling_param { pool: MEDIAN } fork: 1 fork: 2
      include { phase: TRAIN } }
    layer { type: "ReLU" } fork: 3"""
    layers = parse_net(text, keeps=NetState("TEST").keeps).definition.layers
    param = layers[0].fields["fork_param"]
    assert param == {
        "size": 2,
        "on": True,
        "to": "ab",
        "how": "MEAN",
        "list": (1, -2.5, 3),
        "inner": ({"x": 1000.0}, {"y": 16}),
        "huge": 123456789012345678901.0,
    }
    assert (type(param["size"]), type(param["inner"][0]["x"])) == (int, float)
    assert isinstance(param["how"], Word)
    assert layers[1].fields == {"pooling_param": {"pool": "MEDIAN"}, "fork": (1, 2)}
    assert layers[2].fields == {}


def test_what_is_passed_over_stands_where_it_stood():
    """In one message of several, under a label that an enum lacks, in a blob's ParamSpec."""
    text = """layer { type: "Fork" fork: 1 fork: 2 pooling_param { pool: MEDIAN pad: 1 }
      dummy_data_param { data_filler { value: 1 } data_filler { type: "odd" slope: 3 }
                         data_filler { slope: 4 slope: 5 } }
      param { name: "w" } param { lr_mult: 2 group: "g" group_param { size: 1 } }
      blobs { data: 1 unit: "mm" } }"""
    net = parse_net(text).definition
    assert net.layers[0].fields == {
        "fork": (1, 2),
        "pooling_param": {"pool": "MEDIAN", "pad": 1},
        "dummy_data_param": {
            "data_filler": ({"value": 1.0}, {"type": "odd", "slope": 3}, {"slope": (4, 5)})
        },
    }
    others = Fields(group="g", group_param={"size": 1})
    assert net.layers[0].param_specs == (ParamSpec("w"), ParamSpec(lr_mult=2, others=others))
    written = to_text(net)
    assert "pool: MEDIAN" in written
    assert parse_net(written).definition == net
    assert net_message(net).layer[0].pooling_param.pad == 1


def test_what_another_state_needs_is_written_again():
    """A net that is read for TEST does not lose what its layers for TRAIN cannot do without."""
    text = """layer { name: "d" type: "Input" top: "d" }
    layer { type: "Pooling" pooling_param { pool: MEDIAN kernel_size: 2 } bottom: "d" top: "p"
      include { phase: TRAIN } }"""
    definition = parse_net(text, keeps=NetState("TEST").keeps).definition
    assert "pool: MEDIAN" in to_text(definition)
    with pytest.raises(NetworkError, match="field 'pool' cannot be 'MEDIAN'"):
        Pooling.read(definition.layers[1])


@pytest.mark.parametrize(
    ("kind", "fields"), [("VOXEL_CUSTOM_LOSS", {"my_param": {"a": 1}}), ("RELU", {})]
)
def test_what_is_passed_over_in_the_v1_form(kind, fields):
    text = f"""input: "d" input_dim: [1, 1, 1, 1] layers {{ type: RELU bottom: "d" top: "d" }}
    layers {{ type: {kind} bottom: "d" top: "x" my_param {{ a: 1 }} }}"""
    layers = parse_net(text).definition.layers
    assert [layer.fields for layer in layers[1:]] == [{}, fields]
    assert [layer.line for layer in layers] == [0, 1, 2]


def test_unknown_fields_hold_so_many_values(monkeypatch):
    monkeypatch.setattr("keras_fcn.caffe.text.lexer._MOST_PLAIN", 3)
    assert parse_net("fork: [1, 2]").notes
    with pytest.raises(PrototxtError, match="more than 3 values in fields that are unknown"):
        parse_net("fork: [1, 2] spoon: 1")
