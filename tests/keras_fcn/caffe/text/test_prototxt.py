"""The prototxt reader, compared with protobuf's own."""

from __future__ import annotations

import codecs
import contextlib
import math
import re
from typing import Any

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from keras_fcn.caffe.errors import PrototxtError
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.proto.definitions import to_text
from keras_fcn.caffe.text.prototxt import parse_net, read_net, read_text
from tests.golden import LAYERS, REJECTS, golden_folder

GOLDEN = sorted(LAYERS.glob("*/net.prototxt"))


def by_protobuf(text: str) -> Any:
    return text_format.Parse(text, schema.new("NetParameter"))


def same(text: str) -> None:
    """Fail unless protobuf reads the same from a text."""
    assert parse_net(text).message == by_protobuf(text)


def error_of(text: str) -> str:
    with pytest.raises(PrototxtError) as caught:
        parse_net(text, "net.prototxt")
    return str(caught.value)


# Reference files


@pytest.mark.slow
def test_reads_golden_prototxts_as_protobuf_does():
    assert len(GOLDEN) == 572
    for path in GOLDEN:
        text = path.read_text()
        net = parse_net(text, str(path))
        assert net.message == by_protobuf(text), path
        assert parse_net(to_text(net.definition)).definition == net.definition, path


def test_reads_published_prototxts_as_protobuf_does():
    paths = sorted(golden_folder().glob("nets/*/net.prototxt"))
    read = 0
    for path in paths:
        text = path.read_text()
        wanted = text_format.Parse(text, schema.new("NetParameter"), allow_unknown_field=True)
        assert parse_net(text).message == wanted, path
        read += 1
    assert read >= 7


@pytest.mark.parametrize("path", sorted(REJECTS.glob("text_*.prototxt")), ids=lambda p: p.stem)
def test_refuses_what_caffe_refuses_with_file_and_line(path):
    reason = path.with_suffix(".reason.txt").read_text()
    line = next(part.split(":")[0] for part in reason.split("NetParameter: ")[1:])
    with pytest.raises(PrototxtError, match=rf"^{path}:{line}: "):
        read_net(path)


# Syntax


@pytest.mark.parametrize(
    "text",
    [
        '# comment\nname: "a" # another\n# the end',
        "name: 'single' force_backward: true",
        'name: "a" \'b\'\n"c"',
        'name: "a" # comment between\n "b"',
        r'name: "tab\tquote\"back\\slash\x41\101\'\n\r\a\b\f\v"',
        'name: "é ü 漢字"',
        r'name: "\303\251"',
        "name: \"has 'other' quotes # and no comment\"",
        'layer < name: "angle" > layer { name: "brace" }',
        'layer: { name: "colon" } layer : <>',
        "layer {} layer{}layer<>",
        'name:"no spaces"force_backward:true',
        "input_dim: 1, input_dim: 2; input_dim: 3",
        'input: ["a", "b"] input: "c"',
        'input: ["a" "b", "c"]',
        "input: []",
        'layer [ { name: "a" }, < name: "b" > ]',
        "input_shape { dim: [1, 3, 0x10, 010] dim: 7 }",
        "layer { loss_weight: [1, -1.5, .5, 5., 1e3, 1E-3, 1e+2, 2f, 2.5F, -inf, nan, infinity] }",
        "state { phase: TEST level: -3 } debug_info: True",
        "state { phase: 1 } debug_info: t force_backward: 0",
        "state { level: -0x7f } state_",
        "layer { pooling_param { pool: AVE kernel_size: 0 } }",
        "layer { convolution_param { engine: CUDNN pad: 4294967295 } }",
        "state { level: -2147483648 }",
        "input_shape { dim: 9223372036854775807 dim: -1 }",
        "\r\nname: \"windows\"\r\nlayer {\r\n  name: 'x'\r\n}\r\n",
        "\tname\n:\n'spread'\n",
        "layer { loss_weight: 1e999 loss_weight: -1e999 loss_weight: 1e-999 }",
    ],
)
def test_syntax(text):
    same(text.removesuffix(" state_"))


def test_minus_apart_from_its_number():
    """As protobuf's C++ reads it; its Python does not."""
    message = parse_net("state { level: - 0x3 } layer { loss_weight: [-\n.5e1, - inf] }").message
    assert message.state.level == -3
    assert list(message.layer[0].loss_weight) == [-5, -math.inf]


def test_escaped_question_mark():
    assert parse_net(r'name: "\?"').message.name == "?"  # as in C; protobuf's Python keeps the \


def test_files_with_byte_order_mark_or_latin_1(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_bytes(codecs.BOM_UTF8 + 'name: "é"'.encode())
    assert read_net(path).message.name == "é"
    path.write_bytes('# größe\nname: "a"'.encode("latin-1"))
    assert read_net(path).message.name == "a"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(tmp_path, end):
    path = tmp_path / "net.prototxt"
    lines = ["# a comment: {", 'name: "a"  # another', "", "layer {", "}", "input_dim: x"]
    path.write_bytes(end.join(lines[:-1]).encode())
    net = read_net(path)
    assert net.message.name == "a"
    assert net.layer_lines == (4,)
    path.write_bytes(end.join(lines).encode())
    with pytest.raises(PrototxtError, match=rf"^{path}:6: "):
        read_net(path)


def test_layer_lines():
    net = parse_net(
        'name: "n"\n\nlayer { }\nlayer {\n name: "\\n" }\n# layer {\nlayer [ {},\n {} ]'
    )
    assert net.layer_lines == (3, 4, 7, 8)
    assert len(net.message.layer) == 4


# Errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'name: "a"\nnam "b"',
            "net.prototxt:2: NetParameter has no field 'nam'; did you mean 'name'.",
        ),
        ('layer {\n name: "a"\n\n typ: "b" }', ":4: LayerParameter has no field 'typ'"),
        ('net: "train.prototxt"\nbase_lr: 1', ":1: .*this is a solver; give the network"),
        ("layer {\n  name: 'x'\n", ":3: the file ends where a '}' is missing"),
        ("layer <\n }", ":2: expected a field name, found '}'"),
        ("}", ":1: expected a field name, found '}'"),
        ('name: "open\n', ":1: unexpected character '\"'"),
        ("layer { type: ReLU }", "field 'type' is a string: 'ReLU' needs quotes"),
        ('layers { type: "RELU" }', "field 'type' cannot take the value \"RELU\""),
        (
            "layers { type: PRELU }",
            "field 'type' cannot be 'PRELU'; known are NONE, ACCURACY",
        ),
        ("state { phase: 2 }", "field 'phase' cannot be '2'; known are TRAIN, TEST"),
        ("state { level: 1.5 }", "field 'level' is an integer, not '1.5'"),
        ("state { level: 1_000 }", "is an integer, not '1_000'"),
        ("state { level: 0b1 }", "is an integer, not '0b1'"),
        ("state { level: 08 }", "is an integer, not '08'"),
        ("state { level: 2147483648 }", "2147483648 is outside -2147483648..2147483647"),
        ("layer { convolution_param { pad: -1 } }", "'pad': -1 is outside 0..4294967295"),
        ("layer { loss_weight: 1_0 }", "field 'loss_weight' is a number, not '1_0'"),
        ("layer { loss_weight: one }", "field 'loss_weight' is a number, not 'one'"),
        ("layer { loss_weight: 0x10 }", "field 'loss_weight' is a number, not '0x10'"),
        ("debug_info: yes", "field 'debug_info' cannot take the value yes"),
        ("name: 5", "field 'name' is a string: '5' needs quotes"),
        ('name "a"', "expected ':' after field 'name'"),
        ('name: "a" name: "b"', "field 'name' is given twice"),
        ("state {} state {}", "field 'state' is given twice"),
        ('name: "a", "b"', "expected a field name, found '\"b\"'"),
        ('name: ["a"]', "field 'name' takes one value, not a list"),
        ("input_dim: [1, 2", "this list is not closed"),
        ("layer: 5", "field 'layer' is a message: expected '{'"),
        (r'name: "\q"', r"bad string .*unknown escape \\q"),
        (r'name: "\400"', "bad string"),
        (r'name: "\xff"', "bad string .*utf-8"),
        ("name: 'a' @", "unexpected character '@'"),
        ("name: 'a' [ext.field]: 5", "expected a field name, found '\\['"),
    ],
)
def test_errors_name_the_line_and_what_was_found(text, message):
    assert re.search(message, error_of(text)), error_of(text)


@pytest.mark.parametrize("digit", ["1", "x", '"', "0x", "f"])
def test_messages_stay_short(digit):
    for field in ("name", "debug_info", "input_dim", "layer { loss_weight", "state { phase"):
        try:
            parse_net(f"{field}: {digit * 100_000}")
        except PrototxtError as error:
            assert len(str(error)) < 400  # noqa: PT017  not every combination is an error


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "is a web page, not a prototxt"),
        (b"\n\n  <html>", "is a web page, not a prototxt"),
        (b'{"name": "net", "layers": []}', "is JSON, not a prototxt"),
        (b'[{"name": "net"}]', "is JSON, not a prototxt"),
        (b"\x0a\x03net\xa2\x06\x00\x00", "is a binary file, not a prototxt; is it the caffemodel?"),
        (b"\x89HDF\r\n\x1a\n\x00\x00", "is a binary file"),
        (codecs.BOM_UTF16_LE + 'name: "a"'.encode("utf-16-le"), "is UTF-16 text; save it as UTF-8"),
        (b"import caffe\nnet = 1", ":1: NetParameter has no field 'import'"),
        (b"\x0a\x03net\xa2\x06\x02\x0a\x05", ":2: unexpected character"),
    ],
)
def test_files_that_are_not_a_prototxt(tmp_path, content, message):
    path = tmp_path / "net.prototxt"
    path.write_bytes(content)
    with pytest.raises(PrototxtError, match=message) as caught:
        read_net(path)
    assert str(path) in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(PrototxtError, match=r"cannot read .*none.prototxt: No such file"):
        read_net(tmp_path / "none.prototxt")
    with pytest.raises(PrototxtError, match=r"cannot read .*: Is a directory"):
        read_net(tmp_path)


def test_huge_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "net.prototxt"
    path.write_text('name: "a"' * 10)
    monkeypatch.setattr("keras_fcn.caffe.text.prototxt.MAX_TEXT_BYTES", 50)
    with pytest.raises(PrototxtError, match="has 90 bytes; a prototxt has at most 50"):
        read_text(path)


# Any text is a network or a PrototxtError


def reads_or_refuses(text: str) -> Any:
    try:
        return parse_net(text).message
    except PrototxtError as error:
        assert "\n" not in str(error)  # noqa: PT017  most texts are errors
        return None


@given(st.text())
def test_any_text(text):
    reads_or_refuses(text)


TOKENS = [
    *("name", "layer", "layers", "type", "state", "phase", "level", "input", "input_dim", "param"),
    *("convolution_param", "kernel_size", "pad", "weight_filler", "value", "loss_weight", "dim"),
    *("{", "}", "<", ">", "[", "]", ":", ",", ";", "# comment\n", "\n", " "),
    *('"a"', "'b'", '"', r'"\n"', r'"\x4"', "TEST", "CONVOLUTION", "true", "t", "1", "-1", "0x1F"),
    *("017", "08", "1e5", "1.5f", ".", "-", "inf", "nan", "99999999999", "é", "\0", "_"),
]


@given(st.lists(st.sampled_from(TOKENS), max_size=30).map(" ".join))
def test_any_tokens(text):
    message = reads_or_refuses(text)
    if message is not None:
        # Protobuf is stricter about where separators stand.
        with contextlib.suppress(text_format.ParseError):
            assert message.SerializeToString() == by_protobuf(text).SerializeToString()


SYNTAX = (LAYERS / "text_format_syntax" / "net.prototxt").read_text()


@given(
    st.integers(0, len(SYNTAX)),
    st.integers(0, 20),
    st.one_of(st.sampled_from(TOKENS), st.text(max_size=3)),
)
def test_any_change_of_a_network(position, cut, inserted):
    text = SYNTAX[:position] + inserted + SYNTAX[position + cut :]
    message = reads_or_refuses(text)
    if message is None:
        return
    try:
        wanted = by_protobuf(text)
    except (text_format.ParseError, UnicodeEncodeError):
        return
    assert message.SerializeToString() == wanted.SerializeToString()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name: "a"\nlayers { }\n\nlayer { }\nlayers { }', ":4: 'layer' after 'layers' on line 2"),
        ("layer { }\nlayer { }\nlayers { }", ":3: 'layers' after 'layer' on line 1"),
    ],
)
def test_both_forms_in_one_file(text, message):
    with pytest.raises(PrototxtError, match=f"^net{message}: a net is either in the current form"):
        parse_net(text, "net")
