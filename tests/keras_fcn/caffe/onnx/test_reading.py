"""ONNX files that are cut, lie, or want to read what lies elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.net.fitting import fit_weights
from keras_fcn.caffe.onnx import messages, writing
from keras_fcn.caffe.onnx.reading import check_file
from keras_fcn.caffe.onnx.running import opened
from keras_fcn.caffe.onnx.walk import onnx_net
from keras_fcn.caffe.onnx.writing import write_onnx
from tests.golden import layer_case
from tests.keras_fcn.caffe.onnx.cases import of_case


@pytest.fixture(params=[False, True], ids=["whole", "with another file"])
def file(request, tmp_path, monkeypatch) -> Path:
    """A network's file, its weights in it or beside it."""
    if request.param:
        monkeypatch.setattr(writing, "LARGEST", 10)
        monkeypatch.setattr(writing, "_SMALL", 1)
    network, weights = of_case(layer_case("conv_k3_p1_s2"))
    paths = write_onnx(tmp_path / "net.onnx", onnx_net(network, fit_weights(network, weights)))
    assert len(paths) == 1 + request.param
    return paths[0]


def test_what_is_whole_is_taken(file):
    assert check_file(file) == 13
    assert opened(file, threads=1).get_inputs()


def test_cut_anywhere(file):
    data = file.read_bytes()
    for length in range(0, len(data) - 16, 7):  # but in the opset, behind all else
        file.write_bytes(data[:length])
        with pytest.raises(CaffeError, match=r"net\.onnx: is (cut|empty)") as caught:
            check_file(file)
        assert "\n" not in str(caught.value)


def test_other_sizes_than_it_says(file):
    model = onnx.load(file, load_external_data=False)
    model.graph.initializer[0].dims[0] = 1 << 40
    onnx.save(model, file)
    with pytest.raises(CaffeError, match=r"net\.onnx: constant 'layer/0' needs \d{14,} bytes"):
        opened(file)


def outside(file: Path, location: str, **places: str) -> None:
    """Let the first constant lie elsewhere."""
    model = onnx.load(file, load_external_data=False)
    constant = model.graph.initializer[0]
    constant.ClearField("raw_data")
    constant.data_location = onnx.TensorProto.EXTERNAL
    del constant.external_data[:]
    for key, value in {"location": location, **places}.items():
        constant.external_data.add(key=key, value=value)
    file.write_bytes(model.SerializeToString())


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/passwd", "a/../../secret", "", ".", "../{folder}x/y"]
)
def test_other_folders(location, file, tmp_path):
    outside(file, location.format(folder=tmp_path.name))
    with pytest.raises(CaffeError, match="outside of the file's folder; such a file is not to be"):
        opened(file)


@pytest.mark.parametrize(
    ("places", "size", "message"),
    [
        ({}, None, "w.data is missing, which holds its weights"),
        ({}, 8, r"bytes from 0 on of w\.data, which has 8"),
        ({"offset": "1000000"}, 5000, "bytes from 1000000 on"),
        ({"offset": "-4"}, 5000, "bytes from -4 on"),
        ({"offset": "x"}, 5000, "tells no place"),
        ({"length": "4"}, 5000, "do not belong together"),
    ],
)
def test_other_files(places, size, message, file, tmp_path):
    outside(file, "w.data", **places)
    if size is not None:
        (tmp_path / "w.data").write_bytes(bytes(size))
    with pytest.raises(CaffeError, match=message):
        opened(file)


def test_constants_of_nodes_too(file):
    """Those of nodes, and of graphs within them."""
    model = onnx.load(file, load_external_data=False)
    constant = onnx.numpy_helper.from_array(np.zeros(3, np.float32), "inner")
    node = onnx.helper.make_node("Constant", [], ["x"], value=constant)
    graph = onnx.helper.make_graph([node], "g", [], [])
    model.graph.node.append(onnx.helper.make_node("If", ["c"], ["y"], then_branch=graph))
    file.write_bytes(model.SerializeToString())
    check_file(file)
    inner = model.graph.node[-1].attribute[0].g.node[0].attribute[0].t
    inner.raw_data = inner.raw_data[:-1]
    file.write_bytes(model.SerializeToString())
    with pytest.raises(
        CaffeError, match="constant 'inner' needs 12 bytes for its shape, and has 11"
    ):
        check_file(file)


def test_a_runtime_that_is_too_old(file):
    model = onnx.load(file, load_external_data=False)
    model.opset_import[0].version = 99
    file.write_bytes(model.SerializeToString())
    told = (
        rf"net\.onnx: onnxruntime {onnxruntime.__version__} does not read it, a file of opset 99: "
    )
    with pytest.raises(CaffeError, match=told) as caught:
        opened(file)
    assert "\n" not in str(caught.value)


def test_what_is_no_onnx_file(tmp_path):
    path = tmp_path / "net.onnx"
    with pytest.raises(CaffeError, match=r"cannot read .*net\.onnx: No such file"):
        opened(path)
    for content in (b"<!doctype html>", b"\x00" * 40, b"".join(messages.text(2, "x"))):
        path.write_bytes(content)
        with pytest.raises(CaffeError, match=r"no ONNX file"):
            opened(path)
