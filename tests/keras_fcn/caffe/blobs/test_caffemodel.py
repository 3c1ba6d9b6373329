"""Weights files: every form that writers gave them, damage, and our own writer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import convert
from keras_fcn.caffe.blobs.caffemodel import (
    CaffeModel,
    read_binaryproto,
    read_caffemodel,
    write_caffemodel,
)
from keras_fcn.caffe.errors import CaffeError, CaffeWarning, NetworkError, WeightsError
from keras_fcn.caffe.io import wire
from keras_fcn.caffe.net.assembly import network_of
from keras_fcn.caffe.net.fitting import fit_weights
from keras_fcn.caffe.proto import schema
from keras_fcn.caffe.proto.upgrade import upgrade
from keras_fcn.caffe.text.prototxt import parse_net, read_net
from tests.golden import layer_case, layer_case_names
from tests.keras_fcn.caffe import writer
from tests.keras_fcn.caffe.conftest import SHAPES, SMALL, layers_of, random_blobs
from tests.reference_nets import golden_tool

WEIGHT, BIAS = random_blobs([(4, 3, 2, 5), (4,)])
CONV = 'name: "conv" type: "Convolution"'


def read(path: Path, data: bytes) -> CaffeModel:
    path.write_bytes(data)
    return read_caffemodel(path)


def one_layer(path: Path, *blobs: bytes) -> list[np.ndarray]:
    return read(path, writer.net("", [writer.layer(CONV, blobs)]))["conv"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.caffemodel"


# Forms of a blob


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("legacy", [True, False])
def test_forms(path, packed, double, legacy):
    form = {"packed": packed, "double": double, "legacy": legacy}
    weight, bias = one_layer(path, writer.blob(WEIGHT, **form), writer.blob(BIAS, **form))
    np.testing.assert_array_equal(weight, WEIGHT)
    np.testing.assert_array_equal(bias, BIAS.reshape((1, 1, 1, 4) if legacy else (4,)))
    assert weight.dtype == bias.dtype == np.float32


@pytest.mark.parametrize("kind", ["f8", "f4", "f2", "i4", "u4"])
@pytest.mark.parametrize("legacy", [True, False])
def test_raw_forms_of_nvidias_caffe(path, kind, legacy):
    weight = np.round(np.abs(8 * WEIGHT))
    data = writer.raw(weight, kind) + writer.raw(weight + 1, kind, diff=True)
    (blob,) = one_layer(path, writer.dims(weight.shape, legacy=legacy) + data)
    np.testing.assert_array_equal(blob, weight)
    assert blob.dtype == np.float32


def test_half_precision_as_stored(path):
    (blob,) = one_layer(path, writer.dims(WEIGHT.shape) + writer.raw(WEIGHT, "f2"))
    np.testing.assert_array_equal(blob, WEIGHT.astype(np.float16))
    exact = read_caffemodel(path).in_own_numbers()
    assert exact["conv"][0].dtype == np.float16
    assert not exact["conv"][0].flags.owndata
    np.testing.assert_array_equal(exact["conv"][0], blob)


def test_unpacked_form_really_has_a_tag_before_each_number():
    assert len(writer.numbers(WEIGHT, packed=False)) == 5 * WEIGHT.size
    assert len(writer.numbers(WEIGHT, packed=False, double=True)) == 9 * WEIGHT.size


@pytest.mark.parametrize("double", [True, False])
def test_pieces_are_joined(path, double):
    """Protobuf lets a repeated field come in pieces, packed or not."""
    flat = WEIGHT.ravel()
    pieces = [flat[:7], flat[7:8], flat[8:30], flat[30:30], flat[30:]]
    forms = [True, False, False, True, True]
    data = b"".join(
        writer.numbers(piece, packed=packed, double=double)
        for piece, packed in zip(pieces, forms, strict=True)
    )
    (weight,) = one_layer(path, data[:0] + writer.dims(WEIGHT.shape) + data)
    np.testing.assert_array_equal(weight, WEIGHT)


def test_shape_after_the_numbers(path):
    (weight,) = one_layer(path, writer.numbers(WEIGHT) + writer.dims(WEIGHT.shape))
    np.testing.assert_array_equal(weight, WEIGHT)


def test_diff_is_passed_over(path):
    data = writer.blob(WEIGHT) + writer.numbers(WEIGHT + 1, diff=True)
    data += writer.numbers(WEIGHT + 2, diff=True, double=True)
    (weight,) = one_layer(path, data)
    np.testing.assert_array_equal(weight, WEIGHT)


def test_double_numbers_win_as_in_caffe(path):
    data = writer.dims(BIAS.shape) + writer.numbers(BIAS + 1) + writer.numbers(BIAS, double=True)
    np.testing.assert_array_equal(one_layer(path, data)[0], BIAS)
    empty = b"\x42\x00"  # double_data of no numbers
    np.testing.assert_array_equal(one_layer(path, writer.blob(BIAS) + empty)[0], BIAS)


def test_legacy_dimensions_win_as_in_caffe(path):
    data = writer.blob(BIAS) + writer.dims((2, 2), legacy=True)
    assert one_layer(path, data)[0].shape == (1, 1, 2, 2)


def test_scalar_and_empty_blobs(path):
    scalar, empty = np.float32(3).reshape(()), np.zeros((0, 3), np.float32)
    blobs = one_layer(path, writer.blob(scalar), writer.blob(empty))
    assert [blob.shape for blob in blobs] == [(), (0, 3)]
    assert blobs[0] == 3


def test_unknown_fields_are_passed_over(path):
    unknown = b"\xd2\x0f\x03abc\xd8\x0f\x07\xe5\x0f" + bytes(4) + b"\xe1\x0f" + bytes(8)
    blob = unknown + writer.blob(BIAS) + unknown
    data = unknown + writer.net("", [unknown + writer.layer(CONV, [blob]) + unknown]) + unknown
    np.testing.assert_array_equal(read(path, data)["conv"][0], BIAS)


def test_blobs_before_the_name(path):
    late = writer.layer("", [writer.blob(BIAS)]) + writer.layer(CONV, [])
    model = read(path, writer.net("", [late]))
    np.testing.assert_array_equal(model["conv"][0], BIAS)
    assert model.net.layer[0].type == "Convolution"


LATIN = b"\xfc/caf\xe9"


def test_names_that_are_not_utf_8(path, tmp_path):
    """Latin-1 in the caffemodel as in the prototxt, so that they meet."""
    layer = b"\x0a\x06" + LATIN + b"\x12\x04ReLU\x22\x06" + LATIN
    net = b"\x0a\x06" + LATIN + writer.net("", [layer + writer.layer("", [writer.blob(BIAS)])])
    model = read(path, net)
    assert list(model) == [LATIN.decode("latin-1")] == [model.net.layer[0].name]
    assert (model.net.name, model.net.layer[0].top[0]) == (LATIN.decode("latin-1"),) * 2
    prototxt = tmp_path / "net.prototxt"
    prototxt.write_bytes(b'layer { name: "' + LATIN + b'" }')
    assert read_net(prototxt).message.layer[0].name in model


# Numbers that a fork gave to something else

BROKEN = b"\x0a\xff\xff"
DAMAGED = "what stands in the place of"


def stray(number: int, content: bytes) -> bytes:
    """A field of bytes."""
    return wire.header(number, len(content)) + content


@pytest.mark.parametrize("name", ["prior_box_param", "interp_param", "roi_pooling_param"])
@pytest.mark.parametrize("content", [BROKEN, b"\xff", b"\x0f"])
def test_parameters_of_another_fork_are_passed_over(path, name, content):
    number = schema.new("LayerParameter").DESCRIPTOR.fields_by_name[name].number
    head = f"{CONV} bottom: 'x' top: 'y' convolution_param {{ num_output: 4 }}"
    fine = writer.layer(head, [writer.blob(WEIGHT), writer.blob(BIAS)])
    layers = [fine.replace(b"conv", b"con%d" % i, 1) + stray(number, content) for i in range(3)]
    model = read(path, writer.net("", [*layers, fine]))
    assert list(model) == ["con0", "con1", "con2", "conv"]
    for blobs in model.values():
        np.testing.assert_array_equal(blobs[0], WEIGHT)
    assert [layer.convolution_param.num_output for layer in model.net.layer] == [4] * 4
    (note,) = model.notes
    assert note.startswith(f"layer 'con0' and 2 more: {DAMAGED} {name!r}")
    assert model.renamed({"conv": "x"}).notes == model.in_own_numbers().notes == model.notes
    network = network_of(model)
    assert network.notes == model.notes
    with pytest.warns(CaffeWarning, match=DAMAGED) as caught:
        fit_weights(network, model)
    assert len(caught) == 1


@pytest.mark.parametrize(("wire_type", "size"), [(wire.VARINT, 1), (wire.FIXED32, 4), (1, 8)])
def test_parameters_of_another_wire_type_are_passed_over(path, wire_type, size):
    field = wire.write_varint(203 << 3 | wire_type) + bytes(size)
    layer = writer.layer(CONV, [writer.blob(BIAS)]) + field
    np.testing.assert_array_equal(read(path, writer.net("", [layer]))["conv"][0], BIAS)


def test_old_layers_have_parameters_of_forks_too(path):
    layer = writer.layer('name: "conv"', [writer.blob(BIAS)], writer.V1) + stray(10, BROKEN)
    model = read(path, writer.net("", [layer], writer.V1))
    np.testing.assert_array_equal(model["conv"][0], BIAS)
    assert "'convolution_param'" in model.notes[0]


def test_names_in_parameters_that_are_not_utf_8(path):
    content = b"\x0a" + bytes([len(LATIN)]) + LATIN
    layer = writer.layer('name: "data" type: "Data"', []) + stray(107, content)
    model = read(path, writer.net("", [layer, writer.layer(CONV, [writer.blob(BIAS)])]))
    assert model.net.layer[0].data_param.source == LATIN.decode("latin-1")
    assert not model.notes


@pytest.mark.parametrize("number", [8, 6])  # include, param
def test_damage_elsewhere_in_a_layer_is_an_error(path, number):
    layer = writer.layer(CONV, [writer.blob(BIAS)]) + stray(number, BROKEN)
    with pytest.raises(WeightsError, match="is damaged or cut short"):
        read(path, writer.net("", [layer]))


def test_a_length_beyond_the_file_is_an_error(path):
    data = writer.net("", [writer.layer(CONV, [writer.blob(BIAS)]) + stray(203, BROKEN)])
    with pytest.raises(WeightsError, match="is damaged or cut short"):
        read(path, data[:-1])


# Generations


@pytest.mark.parametrize("form", ["v2", "v1", "v0"])
@pytest.mark.parametrize("data", ["packed", "unpacked", "double", "double_unpacked"])
@pytest.mark.parametrize("legacy", [True, False])
def test_files_of_an_independent_writer(path, form, data, legacy):
    shapes = {"conv": [(4, 3, 2, 5), (4,)], "ip": [(6, 20), (6,)]}
    weights = {name: random_blobs(group) for name, group in shapes.items()}
    types = {"relu": "ReLU", "conv": "Convolution", "ip": "InnerProduct"}
    layers = [
        {"name": name, "type": kind, "bottom": ["x"], "top": [name], "blobs": weights.get(name, [])}
        for name, kind in types.items()
    ]
    dims = "legacy" if legacy else "shape"
    golden_tool("write_caffemodel").write(
        path, layers, fmt=form, data=data, dims=dims, diff=legacy, inputs=[("x", (1, 3, 9, 9))]
    )
    model = read_caffemodel(path)
    assert list(model) == list(weights)
    for name, blobs in weights.items():
        for blob, wanted in zip(model[name], blobs, strict=True):
            np.testing.assert_array_equal(blob.ravel(), wanted.ravel())
            assert blob.shape[blob.ndim - wanted.ndim :] == wanted.shape
    net = upgrade(model.net)
    assert {layer.name: layer.type for layer in net.layer if layer.name != "input"} == types


def test_v1(path):
    head = 'name: "conv" type: CONVOLUTION blobs_lr: 1 blobs_lr: 2'
    blobs = [writer.blob(WEIGHT, legacy=True), writer.blob(BIAS, legacy=True)]
    layers = [writer.layer('name: "relu" type: RELU', [], writer.V1)]
    layers += [writer.layer(head, blobs, writer.V1)]
    model = read(path, writer.net('name: "old"', layers, writer.V1))
    assert list(model) == ["conv"]
    np.testing.assert_array_equal(model["conv"][0], WEIGHT)
    assert model["conv"][1].shape == (1, 1, 1, 4)
    assert model.net.name == "old"
    assert [layer.name for layer in model.net.layers] == ["relu", "conv"]


def test_v0(path):
    blobs = [writer.blob(WEIGHT, legacy=True), writer.blob(BIAS, legacy=True)]
    inner = writer.layer('name: "conv" type: "conv" num_output: 4', blobs, writer.V0)
    layers = [writer.connection('bottom: "data" top: "conv"', inner)]
    model = read(path, writer.net("", layers, writer.V0))
    np.testing.assert_array_equal(model["conv"][0], WEIGHT)
    assert model.net.layers[0].layer.num_output == 4
    assert list(model.net.layers[0].top) == ["conv"]


@pytest.mark.parametrize("generation", [writer.V2, writer.V1, writer.V0])
def test_blobs_of_every_generation_stay_in_the_file(path, monkeypatch, generation):
    """They do not count as what stands beside them, and are not parsed."""
    monkeypatch.setattr("keras_fcn.caffe.limits.MAX_HEAD_BYTES", 500)
    layer = writer.layer('name: "conv"', [writer.blob(WEIGHT), writer.blob(BIAS)], generation)
    if generation is writer.V0:
        layer = writer.connection('bottom: "data"', layer)
    model = read(path, writer.net("", [layer], generation))
    np.testing.assert_array_equal(model["conv"][0], WEIGHT)
    assert not model["conv"][0].flags.owndata
    monkeypatch.setattr("keras_fcn.caffe.limits.MAX_HEAD_BYTES", 5)
    with pytest.raises(WeightsError, match="more than 5 bytes beside the blobs"):
        read(path, writer.net("", [layer], generation))


# The mapping


def test_only_layers_with_blobs_are_keys(path):
    layers = [writer.layer('name: "relu"', []), writer.layer(CONV, [writer.blob(BIAS)])]
    model = read(path, writer.net("", layers))
    assert list(model) == ["conv"]
    assert len(model) == 1
    assert "conv" in model
    assert "relu" not in model
    with pytest.raises(KeyError):
        model["relu"]


def test_renamed(path):
    layers = [writer.layer(f'name: "{name}"', [writer.blob(BIAS)]) for name in "abc"]
    path.write_bytes(writer.net("", layers))
    model = read_caffemodel(path, {"a": "b", "b": "a"})
    assert list(model) == ["b", "a", "c"]
    assert [layer.name for layer in model.net.layer] == ["b", "a", "c"]
    assert list(convert.load_weights(path, rename={"c": "d/e"})) == ["a", "b", "d/e"]
    with pytest.raises(WeightsError, match=rf"^{path}: no layer 'd' to rename; there are a, b, c"):
        read_caffemodel(path, {"d": "e"})
    with pytest.raises(WeightsError, match="'a' and 'c' would both be named 'c'"):
        read_caffemodel(path, {"a": "c"})


def test_old_generations_are_renamed_too(path):
    inner = writer.layer('name: "a" type: "conv"', [writer.blob(BIAS)], writer.V0)
    layers = [writer.connection("", inner), writer.layer('name: "b"', [], writer.V1)]
    path.write_bytes(writer.net("", layers, writer.V0))
    model = read_caffemodel(path, {"a": "c"})
    assert list(model) == ["c"]
    assert (model.net.layers[0].layer.name, model.net.layers[1].name) == ("c", "b")


def test_last_of_two_layers_with_one_name_counts(path):
    layers = [writer.layer(CONV, [writer.blob(BIAS + i)]) for i in range(2)]
    np.testing.assert_array_equal(read(path, writer.net("", layers))["conv"][0], BIAS + 1)


def _bases(array: Any) -> list[Any]:
    bases = []
    while array is not None:
        bases.append(array)
        array = array.obj if isinstance(array, memoryview) else getattr(array, "base", None)
    return bases


@pytest.mark.parametrize("packed", [True, False])
def test_arrays_are_views_of_the_file(path, packed):
    (weight,) = one_layer(path, writer.blob(WEIGHT, packed=packed))
    assert not weight.flags.owndata
    assert not weight.flags.writeable
    assert type(_bases(weight)[-1]).__name__ == "mmap"


def test_membership_and_shapes_read_no_numbers(path, monkeypatch):
    layers = [writer.layer(CONV, [writer.blob(WEIGHT, double=True)])]
    model = read(path, writer.net("", layers))
    monkeypatch.setattr(
        "keras_fcn.caffe.blobs.caffemodel.StoredBlob.array", lambda self: pytest.fail("was read")
    )
    assert "conv" in model
    assert [blob.shape for blob in model.layers["conv"].blobs] == [WEIGHT.shape]


def test_api(path):
    path.write_bytes(writer.net("", [writer.layer(CONV, [writer.blob(BIAS)])]))
    for name in (path, str(path)):
        np.testing.assert_array_equal(convert.load_weights(name)["conv"][0], BIAS)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", [n for n in layer_case_names("*") if layer_case(n).weights])
def test_golden_files_are_read_as_protobuf_reads_them(name):
    case = layer_case(name)
    data = case.weights.read_bytes()
    model = read_caffemodel(case.weights)
    net = schema.new("NetParameter")
    net.MergeFromString(data)
    wanted = {}
    for layer in [*net.layer, *net.layers]:
        layer = layer.layer if getattr(layer, "layer", None) and layer.HasField("layer") else layer
        if layer.blobs:
            wanted[layer.name] = [np.array(b.double_data or b.data, "f4") for b in layer.blobs]
    assert list(model) == list(wanted)
    for layer, arrays in wanted.items():
        for blob, array in zip(model[layer], arrays, strict=True):
            np.testing.assert_array_equal(blob.ravel(), array)


# Damage


TINY = writer.net(
    'name: "tiny"',
    [
        writer.layer('name: "a" type: "InnerProduct"', [writer.blob(np.arange(6.0).reshape(2, 3))]),
        writer.layer('name: "b" type: "ReLU"', []),
        writer.layer(
            'name: "c"', [writer.blob(BIAS, packed=False), writer.blob(BIAS, double=True)]
        ),
    ],
)


def test_file_cut_at_every_byte(path):
    whole = read(path, TINY)
    names = list(whole)
    for size in range(len(TINY)):
        try:
            model = read(path, TINY[:size])
        except WeightsError as error:
            assert str(path) in str(error)  # noqa: PT017  either is right
            continue
        assert list(model) == names[: len(model)]
        for name in model:
            for blob, wanted in zip(model[name], whole[name], strict=True):
                np.testing.assert_array_equal(blob, wanted)


def test_other_files_of_caffe_are_named(path):
    state = writer.solverstate('iter: 5 learned_net: "/x/snap_5.caffemodel"', [writer.blob(BIAS)])
    with pytest.raises(
        WeightsError, match=r"is a solver state, .*give 'snap_5.caffemodel' instead"
    ):
        read(path, state)
    for legacy in (True, False):
        with pytest.raises(WeightsError, match="is one blob, such as a mean, and not a caffemodel"):
            read(path, writer.blob(BIAS, legacy=legacy))


def test_message_names_the_last_good_layer_and_the_size(path):
    with pytest.raises(WeightsError, match=r"cut short \(after layer 'b', byte .*it has 100 bytes"):
        read(path, TINY[:100])


@given(st.binary(max_size=80))
@example(b"\x0a\x02\xff\xfe\xa2\x06\x04\x0a\x02\xff\xfe")
def test_any_bytes_are_a_caffemodel_or_an_error(tmp_path_factory, data):
    _reads_or_refuses(tmp_path_factory.getbasetemp() / "any.caffemodel", data)


@given(st.integers(0, len(TINY) - 1), st.binary(min_size=1, max_size=3))
def test_any_damage_is_read_or_an_error(tmp_path_factory, position, damage):
    data = TINY[:position] + damage + TINY[position + len(damage) :]
    _reads_or_refuses(tmp_path_factory.getbasetemp() / "damaged.caffemodel", data)


def _reads_or_refuses(path: Path, data: bytes) -> None:
    try:
        model = read(path, data)
        for name in model:
            assert isinstance(name, str)
            assert all(blob.dtype == np.float32 for blob in model[name])
        convert.list_layers(path)
    except CaffeError as error:
        assert str(path) in str(error)  # noqa: PT017  either is right


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        (writer.dims((2, 3)) + writer.numbers(BIAS), r"\(2, 3\) comes with 4 values"),
        (writer.dims((4,)), r"\(4,\) comes with 0 values"),
        (writer.numbers(BIAS), r"\(\) comes with 4 values"),
        (writer.dims((-4,)) + writer.numbers(BIAS), r"\(-4,\) comes with 4 values"),
        (writer.dims((-2, -2)) + writer.numbers(BIAS), r"\(-2, -2\) comes with 4 values"),
        (writer.dims((1,) * 40) + writer.numbers(BIAS[:1]), "a blob has 40 axes, more than 32"),
        (b"\x2a\x03abc", "3 bytes of float32 numbers"),
        (b"\x42\x07abcdefg", "7 bytes of float64 numbers"),
        (writer.dims((3,)) + b"\x50\x02\x62\x05abcde", "5 bytes of float16 numbers"),
        (writer.dims((4,)) + b"\x50\x02\x62\x06abcdef", r"\(4,\) comes with 3 values"),
        (writer.dims((4,)) + b"\x50\x05\x62\x04abcd", "raw_data of type 5; types 0 to 4"),
        (b"\x3a\x02\x0a\x05", "Error parsing"),
    ],
)
def test_blobs_that_contradict_themselves(path, blob, message):
    with pytest.raises(WeightsError, match=message):
        one_layer(path, blob)


# Our own writer


def test_written_file_is_read_by_protobuf(path):
    net = parse_net(SMALL)
    weights = {name: random_blobs(shapes) for name, shapes in SHAPES.items()}
    write_caffemodel(path, net.definition, weights)
    message = schema.new("NetParameter")
    message.ParseFromString(path.read_bytes())
    for layer in message.layer:
        arrays = weights.get(layer.name, [])
        assert [tuple(blob.shape.dim) for blob in layer.blobs] == [a.shape for a in arrays]
        for blob, array in zip(layer.blobs, arrays, strict=True):
            np.testing.assert_array_equal(np.array(blob.data, "f4"), array.ravel())
        layer.ClearField("blobs")
    assert message == net.message


def test_written_file_equals_what_protobuf_writes(path):
    weights = {name: random_blobs(shapes) for name, shapes in SHAPES.items()}
    write_caffemodel(path, parse_net(SMALL).definition, weights)
    message = schema.new("NetParameter")
    message.ParseFromString(path.read_bytes())
    again = schema.new("NetParameter")
    again.MergeFromString(writer.net('name: "small"', layers_of(SMALL, weights)))
    assert message == again


def test_reading_and_writing_gives_the_same_bytes(path, tmp_path):
    weights = {name: random_blobs(shapes) for name, shapes in SHAPES.items()}
    write_caffemodel(path, parse_net(SMALL).definition, weights)
    model = read_caffemodel(path)
    write_caffemodel(tmp_path / "again.caffemodel", model.definition, model)
    assert (tmp_path / "again.caffemodel").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["legacy_v1_caffemodel", "legacy_double_data", "weights_partial"])
def test_old_files_are_rewritten_in_the_current_form(name, path):
    old = read_caffemodel(layer_case(name).weights)
    write_caffemodel(path, old.definition, old)
    new = read_caffemodel(path)
    assert not new.net.layers
    assert list(new) == list(old)
    for layer in old:
        for blob, wanted in zip(new[layer], old[layer], strict=True):
            np.testing.assert_array_equal(blob, wanted)


def test_odd_arrays_are_written_as_float32_in_c_order(path):
    net = parse_net('layer { name: "a" type: "Scale" } layer { name: "b" }').definition
    blobs = [np.array(2.5), np.zeros((0, 2)), np.arange(6).reshape(2, 3).T, [[1, 2]], 7]
    write_caffemodel(path, net, {"a": blobs})
    for blob, wanted in zip(read_caffemodel(path)["a"], blobs, strict=True):
        np.testing.assert_array_equal(blob, np.asarray(wanted, np.float32))


def test_api_writes_from_a_prototxt(path, tmp_path):
    prototxt = tmp_path / "old.prototxt"
    prototxt.write_text(
        'input: "data" input_dim: [1, 3, 1, 1] '
        'layers { name: "ip" type: INNER_PRODUCT bottom: "data" top: "ip" '
        "inner_product_param { num_output: 2 bias_term: false } }"
    )
    convert.write_caffemodel(path, prototxt, {"ip": [np.ones((2, 3))]})
    np.testing.assert_array_equal(convert.load_weights(path)["ip"][0], np.ones((2, 3)))
    assert [layer.name for layer in read_caffemodel(path).net.layer] == ["input", "ip"]
    with pytest.raises(WeightsError, match=r"does not have: \['fc', 'ip1'\]"):
        convert.write_caffemodel(path, prototxt, {"ip1": [], "ip": [], "fc": []})
    prototxt.write_text('input: "data" layer { name: "ip" }')
    with pytest.raises(NetworkError, match=rf"^{prototxt}: 1 'input' names come with 0"):
        convert.write_caffemodel(path, prototxt, {})


def test_failed_write_leaves_the_old_file(path):
    path.write_bytes(b"old")
    net = parse_net('layer { name: "a" }').definition
    with pytest.raises(ValueError, match="could not convert"):
        write_caffemodel(path, net, {"a": [["text"]]})
    assert path.read_bytes() == b"old"
    assert [p.name for p in path.parent.iterdir()] == [path.name]


# Mean files


@pytest.mark.parametrize("legacy", [True, False])
def test_binaryproto(path, legacy):
    mean = random_blobs([(1, 3, 4, 5)])[0]
    path.write_bytes(writer.blob(mean, legacy=legacy))
    np.testing.assert_array_equal(read_binaryproto(path), mean)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"<html>404</html>", "is a web page"),
        (TINY, r"is not a binaryproto blob: a blob of shape \(\) comes with 0 values"),
        (writer.dims((0,)), "holds no blob data; is it a binaryproto?"),
        (writer.blob(BIAS)[:-1], "is not a binaryproto blob"),
        (b"hello", "is not a binaryproto blob"),
        (b"\x3a\x02\x0a\x05", "is not a binaryproto blob"),
    ],
)
def test_files_that_are_not_a_binaryproto(path, data, message):
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=message) as caught:
        read_binaryproto(path)
    assert str(path) in str(caught.value)
