"""The converter's ONNX files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest

import convert
from keras_fcn.caffe.onnx import messages, writing
from keras_fcn.caffe.surgery import open_net
from keras_fcn.caffe.text.card_line import CARD_NAME, with_card
from tests.golden import assert_close, layer_case
from tests.keras_fcn.caffe.onnx.cases import run, session

PROTOTXT = """
name: "small"
input: "data"
input_shape { dim: 2 dim: 3 dim: 9 dim: 11 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv"
  scale_param { bias_term: true filler { value: 1.5 } bias_filler { value: 0.25 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "prob" type: "Softmax" bottom: "pool" top: "prob" }
"""


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path]:
    prototxt, caffemodel = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    prototxt.write_text(PROTOTXT)
    net = open_net(prototxt, seed=0)
    net.params["bn"][1][:] = 4.0
    net.params["bn"][2][:] = 2.0
    net.save(tmp_path / "again.prototxt", caffemodel)
    return prototxt, caffemodel


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)


def test_names_sizes_and_metadata(files, tmp_path):
    path = tmp_path / "net.onnx"
    report = convert.convert(*files, path)
    assert [row.name for row in report.layers] == ["conv", "bn", "scale"]
    (given,), (made,) = session(path).get_inputs(), session(path).get_outputs()
    assert (given.name, given.shape) == ("data", ["batch", 3, "height", "width"])
    assert (made.name, made.shape) == ("prob", ["batch", 4, None, None])
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert (model.producer_name, model.graph.name) == ("keras_fcn", "small")
    told = {x.key: x.value for x in model.metadata_props}
    assert told["source_sha256"] == hashlib.sha256(files[1].read_bytes()).hexdigest()
    assert told["prototxt_sha256"] == hashlib.sha256(files[0].read_bytes()).hexdigest()
    assert (told["source"], told["prototxt"]) == ("net.caffemodel", "net.prototxt")
    assert {node.name for node in model.graph.node} == {
        "conv",
        "bn",
        "scale",
        "scale/Add",
        "relu",
        "pool",
        "prob",
    }


def test_sizes_that_are_given_are_fixed(files, tmp_path):
    path = tmp_path / "net.onnx"
    for sizes, shape in [((3, 9, 11), ["batch", 3, 9, 11]), ((2, 3, 9, 11), [2, 3, 9, 11])]:
        convert.convert(*files, path, input_shapes={"data": sizes})
        assert session(path).get_inputs()[0].shape == shape


def test_fold_and_channels_last(files, tmp_path):
    x = images(2, 3, 9, 11)
    wanted = None
    for number, options in enumerate([{}, {"fold": True}, {"layout": "channels_last"}]):
        path = tmp_path / f"{number}.onnx"
        convert.convert(*files, path, **options)
        last = "layout" in options
        found = run(path, {"data": np.moveaxis(x, 1, -1) if last else x})["prob"]
        found = np.moveaxis(found, -1, 1) if last else found
        wanted = found if wanted is None else wanted
        assert_close(found, wanted, 1e-5)
    kinds = [node.op_type for node in onnx.load(tmp_path / "1.onnx").graph.node]
    assert kinds == ["Conv", "Relu", "MaxPool", "Softmax"]


def test_large_weights_lie_beside_the_file(files, tmp_path, monkeypatch):
    x = images(1, 3, 9, 11)
    convert.convert(*files, tmp_path / "whole.onnx")
    monkeypatch.setattr(writing, "LARGEST", 500)
    monkeypatch.setattr(writing, "_SMALL", 64)
    report = convert.convert(*files, tmp_path / "net.onnx")
    assert "the weights lie in net.onnx.data" in report.notes
    assert (tmp_path / "net.onnx.data").stat().st_size == 4 * 4 * 3 * 9
    found, wanted = (run(tmp_path / f"{name}.onnx", {"data": x}) for name in ("net", "whole"))
    np.testing.assert_array_equal(found["prob"], wanted["prob"])


def test_without_weights(tmp_path):
    case = layer_case("absval")
    convert.convert(case.prototxt, None, tmp_path / "net.onnx")
    found = run(tmp_path / "net.onnx", case.inputs)
    for name, expected in case.outputs.items():
        assert_close(found[name], expected)


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("net.onnx", {"mean": "mean.npy"}, "mean is for HDF5"),
        ("net.onnx", {"partial": True}, "partial is for HDF5"),
        ("net.h5", {"opset": 14}, "opset is for ONNX"),
        ("net.h5", {"fold": True}, "fold is for ONNX"),
        ("net.onnx", {"opset": 18}, "opset must be one of"),
        ("net.onnx", {"layout": "NHWC"}, "layout must be one of"),
    ],
)
def test_wrong_options(output, options, message, files, tmp_path):
    with pytest.raises(ValueError, match=message):
        convert.convert(*files, tmp_path / output, **options)
    assert not (tmp_path / output).exists()


def test_what_has_no_form_is_named(files, tmp_path):
    files[0].write_text(PROTOTXT + 'layer { name: "odd" type: "Odd" bottom: "prob" top: "odd" }')
    with pytest.raises(convert.CaffeError, match=r"net\.prototxt:\d+: layer 'odd' \(Odd\)"):
        convert.convert(*files, tmp_path / "net.onnx")
    convert.convert(*files, tmp_path / "net.onnx", outputs=["prob"])
    more = 'layer { name: "ip" type: "InnerProduct" bottom: "prob" top: "ip" '
    files[0].write_text(f"{PROTOTXT}{more} inner_product_param {{ num_output: 2 }} }}")
    with pytest.raises(convert.WeightsError, match=r"no weights for 1 of the layers .* 'ip'"):
        convert.convert(*files, tmp_path / "other.onnx")
    assert not (tmp_path / "other.onnx").exists()


def test_messages_are_as_protobuf_reads_them():
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((0, 2), np.int64)]
    for array in arrays:
        tensor = onnx.TensorProto.FromString(b"".join(messages.tensor("x", array)))
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor), array)
    attributes = {"f": 0.5, "i": -3, "s": "CRD", "ints": [1, -1], "floats": [0.25, 2.0]}
    chunks = messages.node("Odd", ["a", ""], ["b"], "n", attributes | {"t": arrays[0]})
    node = onnx.NodeProto.FromString(b"".join(map(bytes, chunks)))
    read = {x.name: onnx.helper.get_attribute_value(x) for x in node.attribute}
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(read.pop("t")), arrays[0])
    assert read == attributes | {"s": b"CRD"}
    assert (list(node.input), node.op_type, node.name) == (["a", ""], "Odd", "n")


def test_card_metadata(files, tmp_path):
    files[0].write_text(with_card(PROTOTXT, '{"name": "x"}'))
    convert.convert(*files, tmp_path / "net.onnx")
    told = {x.key: x.value for x in onnx.load(tmp_path / "net.onnx").metadata_props}
    assert told[CARD_NAME] == '{"name": "x"}'
    convert.convert(*files, tmp_path / "cast.onnx", fully_convolutional=True)
    again = {x.key: x.value for x in onnx.load(tmp_path / "cast.onnx").metadata_props}
    assert again == told


HEADS = """
layer { name: "loc" type: "Flatten" bottom: "l" top: "loc" }
layer { name: "conf" type: "Flatten" bottom: "c" top: "conf" }
layer { name: "det" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "p" top: "det"
  detection_output_param { num_classes: 2 } }
"""


def test_detections_are_left_out_on_request(tmp_path):
    prototxt, path = tmp_path / "net.prototxt", tmp_path / "net.onnx"
    shapes = {"l": (1, 8, 1, 1), "c": (1, 4, 1, 1), "p": (1, 2, 8)}
    inputs = [
        f'input: "{name}" input_shape {{ {" ".join(f"dim: {size}" for size in shape)} }}'
        for name, shape in shapes.items()
    ]
    prototxt.write_text("\n".join([*inputs, HEADS]))
    convert.convert(prototxt, None, path, detection="none")
    assert [output.name for output in session(path).get_outputs()] == ["loc", "conf"]
    convert.convert(prototxt, None, path)
    assert [output.name for output in session(path).get_outputs()] == ["det"]
    with pytest.raises(ValueError, match="detection must be"):
        convert.convert(prototxt, None, path, detection="some")


def test_nan_is_told(files, tmp_path):
    net = open_net(*files)
    net.params["scale"][1][2] = np.nan
    net.save(*files)
    with pytest.warns(convert.CaffeWarning, match="scale/1 holds NaN"):
        report = convert.convert(*files, tmp_path / "net.onnx")
    assert report.notes == ("scale/1 holds NaN",)
