"""The converter's ncnn files."""

from __future__ import annotations

import numpy as np
import pytest

import convert
from keras_fcn.caffe.ncnn.reading import read_notes
from keras_fcn.caffe.ncnn.running import opened
from keras_fcn.caffe.text.card_line import CARD_NAME, with_card
from tests.golden import assert_close
from tests.keras_fcn.caffe.conversion.test_to_onnx import PROTOTXT, files, images  # noqa: F401
from tests.keras_fcn.caffe.onnx.cases import run as run_onnx

pytest.importorskip("ncnn")


def test_the_same_as_onnx(files, tmp_path):  # noqa: F811
    """Folded or not, whole or cast; what the file tells is the same too."""
    files[0].write_text(with_card(PROTOTXT, '{"name": "x = y"}'))
    x = images(2, 3, 12, 7)
    convert.convert(*files, tmp_path / "net.onnx")
    wanted = run_onnx(tmp_path / "net.onnx", {"data": x})["prob"]
    for fold in (False, True):
        path = tmp_path / f"{fold}.param"
        report = convert.convert(*files, path, fold=fold)
        assert [row.name for row in report.layers] == ["conv", "bn", "scale"]
        assert f"the weights lie in {fold}.bin" in report.notes
        session = opened(path, threads=1)
        assert_close(session.run({"data": x})["prob"], wanted)
        assert ("\nBatchNorm " in path.read_text()) is not fold
        assert session.metadata[CARD_NAME] == '{"name": "x = y"}'
        assert session.metadata["source"] == "net.caffemodel"
        assert len(session.metadata["source_sha256"]) == 64


def test_sizes_that_are_given_are_fixed(files, tmp_path):  # noqa: F811
    convert.convert(*files, tmp_path / "net.param", input_shapes={"data": (3, 9, 11)})
    told = read_notes((tmp_path / "net.param").read_text(), "net.param")
    assert told["inputs"] == {"data": [None, 3, 9, 11]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": "mean.npy"}, "mean is for HDF5 files"),
        ({"opset": 14}, "opset is for ONNX files"),
        ({"layout": "channels_last"}, "layout is for ONNX files"),
    ],
)
def test_wrong_options(options, message, files, tmp_path):  # noqa: F811
    with pytest.raises(ValueError, match=message):
        convert.convert(*files, tmp_path / "net.param", **options)
    assert not (tmp_path / "net.param").exists()


def test_what_has_no_form_is_named(files, tmp_path):  # noqa: F811
    more = 'layer { name: "all" type: "Reduction" bottom: "prob" top: "all" }'
    files[0].write_text(PROTOTXT + more)
    with pytest.raises(convert.CaffeError, match=r"net\.prototxt:\d+: layer 'all' \(Reduction\)"):
        convert.convert(*files, tmp_path / "net.param")
    assert not list(tmp_path.glob("*.param"))
    assert not list(tmp_path.glob("*.bin"))


def test_weights_are_not_written_over(files, tmp_path):  # noqa: F811
    source = files[1].rename(tmp_path / "net.bin")
    before = source.read_bytes()
    with pytest.raises(convert.CaffeError, match=r"net\.bin: it is a file to be read"):
        convert.convert(files[0], source, tmp_path / "net.param")
    assert source.read_bytes() == before


def test_numbers_are_those_of_the_weights(files, tmp_path):  # noqa: F811
    convert.convert(*files, tmp_path / "net.param")
    blob = convert.load_weights(files[1])["conv"][0]
    data = np.frombuffer((tmp_path / "net.bin").read_bytes(), np.float32)
    np.testing.assert_array_equal(data[1 : 1 + blob.size], np.ravel(blob))
