"""Names, sizes, outputs and files of whole graphs."""

from __future__ import annotations

import re

import numpy as np
import pytest

import convert
from keras_fcn.caffe.errors import CaffeError, UnsupportedLayerError
from keras_fcn.caffe.ncnn import param_text, weight_chunks, write_ncnn
from keras_fcn.caffe.ncnn.reading import read_notes
from keras_fcn.caffe.ncnn.running import opened
from tests.golden import assert_close
from tests.keras_fcn.caffe.ncnn.cases import run, session, written
from tests.keras_fcn.caffe.onnx.cases import run as run_onnx
from tests.keras_fcn.caffe.onnx.cases import written as written_onnx
from tests.keras_fcn.caffe.onnx.test_walk import CONV, images, layer, network_of

pytest.importorskip("ncnn")


def lines(net) -> list[list[str]]:
    return [line.split() for line in param_text(net).splitlines()[2:-1]]


@pytest.mark.parametrize("outputs", [None, ["c", "d"], ["d", "c", "x", "y"], ["data", "c"]])
@pytest.mark.parametrize(
    "through",
    [
        layer("d", "Dropout", "c", "d"),
        layer("s", "Split", "c", "d e"),
        layer("s", "Slice", "c", "d"),
        layer("s", "Concat", "c", "d"),
        layer("s", "ReLU", "c", "d"),
    ],
)
def test_every_tensor_has_one_reader(through, outputs, tmp_path):
    """Every blob that is asked for is there under its name, whoever hands it on."""
    layers = [CONV.format("c", "data", ""), through, CONV.format("x", "d", "")]
    layers += [CONV.format("y", "c", ""), layer("r", "ReLU", "y", "y")]
    network, x = network_of(tmp_path, *layers, outputs=outputs), images(2, 4, 6, 5)
    found, wanted = run(written(network), {"data": x}), run_onnx(written_onnx(network), {"data": x})
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert_close(found[name], array)
    rows = lines(written(network))
    made = [name for row in rows for name in row[4 + int(row[2]) :][: int(row[3])]]
    read = [name for row in rows for name in row[4:][: int(row[2])]]
    assert len(set(made)) == len(made)
    assert len(set(read)) == len(read)
    assert set(read) <= set(made)


def test_what_is_fed_stays_as_it_is(tmp_path):
    """ncnn works in place, but never in the arrays of the user."""
    network = network_of(
        tmp_path, layer("r", "ReLU", "data", "data"), layer("s", "Sigmoid", "data", "s")
    )
    x = images(2, 4, 6, 5)
    kept, made = x.copy(), session(written(network))
    first = made.run({"data": x})["s"]
    np.testing.assert_array_equal(x, kept)
    np.testing.assert_array_equal(made.run({"data": x[:, :, ::1]})["s"], first)
    assert_close(made.run({"data": np.asfortranarray(x)})["s"], first)


def test_any_height_and_width(tmp_path):
    pool = "pooling_param { kernel_size: 3 stride: 2 }"
    layers = [CONV.format("c", "data", "pad: 1"), layer("p", "Pooling", "c", "p", pool)]
    network = network_of(tmp_path, *layers)
    made, other = session(written(network)), written_onnx(network)
    assert made.inputs == {"data": (None, 4, None, None)}
    for shape in ((1, 4, 7, 9), (3, 4, 8, 3), (2, 4, 31, 30)):
        x = images(*shape)
        assert_close(made.run({"data": x})["p"], run_onnx(other, {"data": x})["p"])


def test_fixed_sizes_are_kept(tmp_path):
    network = network_of(tmp_path, CONV.format("c", "data", ""))
    net = written(network, fixed={"data": (4, 6, 5)})
    assert lines(net)[0] == ["Input", "data", "0", "1", "data", "2=4", "1=6", "0=5"]
    with pytest.raises(ValueError, match=r"'data' has shape \(None, 4, 6, 5\).*\(1, 4, 7, 5\)"):
        run(net, {"data": images(1, 4, 7, 5)})


@pytest.mark.parametrize(
    ("fed", "message"),
    [
        ({}, "'data' is missing"),
        ({"data": images(4, 6, 5)}, "has shape"),
        ({"data": images(0, 4, 6, 5)}, "inputs of"),
    ],
)
def test_wrong_inputs(fed, message, tmp_path):
    net = written(network_of(tmp_path, CONV.format("c", "data", "")))
    with pytest.raises(ValueError, match=message):
        run(net, fed)


def test_names_that_ncnn_cannot_have(tmp_path):
    long = layer("r", "ReLU", "data", "x" * 256)
    with pytest.raises(UnsupportedLayerError, match="a name of 256 letters; ncnn reads 255"):
        param_text(written(network_of(tmp_path, long)))
    both = [layer("r", "ReLU", "data", "a"), layer("s", "Sigmoid", "data", "b")]
    both = [text.replace('"a"', '"a b"').replace('top: "b"', 'top: "a_b"') for text in both]
    with pytest.raises(UnsupportedLayerError, match="several blobs have this name but for spaces"):
        param_text(written(network_of(tmp_path, *both)))


def test_numbers_that_ncnn_cannot_have(tmp_path):
    clip = layer("r", "Clip", "data", "x", "clip_param { min: 0 max: inf }")
    with pytest.raises(UnsupportedLayerError, match="layer 'r': a setting of inf, which ncnn"):
        param_text(written(network_of(tmp_path, clip)))


def test_what_the_files_hold(tmp_path):
    network = network_of(tmp_path, CONV.format("c", "data", "bias_term: true"))
    net = written(network)
    text = param_text(net, {"card": 'two words = {"a": 1}'})
    told = read_notes(text, "net.param")
    assert text.startswith("7767517\n2 2\nInput ")
    assert told["metadata"] == {"card": 'two words = {"a": 1}'}
    assert told["inputs"] == {"data": [None, 4, None, None]}
    assert told["outputs"]["c"] == {"shape": [None, 4, None, None], "holds": "image"}
    # Every line, the last one too, is a row of words as of a layer.
    assert all(re.fullmatch(r"\S+( \S+)+", line) for line in text.splitlines()[1:])
    data = b"".join(weight_chunks(net))
    assert len(data) == 4 * (1 + 4 * 4 + 4)
    assert data[:4] == bytes(4)


def test_files_appear_together_or_not_at_all(tmp_path, monkeypatch):
    net = written(network_of(tmp_path, CONV.format("c", "data", "")))
    paths = write_ncnn(tmp_path / "net.param", net)
    assert [path.name for path in paths] == ["net.param", "net.bin"]
    before = [path.read_bytes() for path in paths]
    with pytest.raises(CaffeError, match="cannot write"):
        write_ncnn(tmp_path / "absent" / "net.param", net)
    monkeypatch.setattr("keras_fcn.caffe.ncnn.writing.weight_chunks", lambda net: [b"x", None])
    with pytest.raises(TypeError):
        write_ncnn(tmp_path / "net.param", net)
    assert [path.read_bytes() for path in paths] == before
    assert sorted(x.name for x in tmp_path.iterdir()) == ["net.bin", "net.param", "net.prototxt"]


def edit(path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda param, _: param.write_bytes(b"\xff\xfe"), "cannot be read"),
        (lambda param, _: param.write_text("7767517\n1 1\n"), "is cut, or not of this converter"),
        (
            lambda param, _: param.write_text(param.read_text().replace("Convolution ", "Odd ")),
            "does not read it",
        ),
        (lambda param, _: param.write_text("7767518\n"), "no .param file of ncnn"),
        (lambda param, _: param.write_text(param.read_text()[:-9]), "is damaged"),
        (lambda param, _: edit(param, "\n2 2\n", "\n3 2\n"), "2 layers and 2 blobs, not 3 and 2"),
        (lambda param, _: edit(param, " 1 1 data c", " 1 1 odd c"), "layer 'c' reads or makes"),
        (lambda param, _: edit(param, " 1 1 data c", " 9 1 data c"), "layer 'c' reads or makes"),
        (lambda param, _: edit(param, '"bytes":', '"bites":'), "is damaged: 'bytes'"),
        (lambda param, _: edit(param, '"holds":"image"', '"holds":"x"'), "an output holds 'x'"),
        (lambda param, _: edit(param, "[null,4,null", '["a",4,null'), "is damaged: shapes"),
        (lambda _, weights: weights.unlink(), "does not read these weights"),
        (
            lambda _, weights: weights.write_bytes(weights.read_bytes()[:-8]),
            "does not read these weights",
        ),
        (
            lambda _, weights: weights.write_bytes(weights.read_bytes() + bytes(4)),
            "does not read these weights",
        ),
    ],
)
def test_damaged_files(damage, message, tmp_path, capfd):
    paths = write_ncnn(
        tmp_path / "net.param", written(network_of(tmp_path, CONV.format("c", "data", "")))
    )
    damage(*paths)
    with pytest.raises(convert.CaffeError, match=message):
        opened(paths[0])
