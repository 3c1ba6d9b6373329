"""Keras models for ncnn: the Caffe networks that they are, compared before the work is done."""

from __future__ import annotations

import keras
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.ncnn.running import opened
from keras_fcn.cli import main
from keras_fcn.exporting import ncnn_check
from tests.golden import assert_close, layer_case, to_caffe_order
from tests.keras_fcn.exporting.test_onnx import Own, images, random_weights, stock

pytest.importorskip("ncnn")


def test_a_map_of_any_size(tmp_path):
    model = random_weights(keras_fcn.LeNetFCN())
    path = keras_fcn.export(model, tmp_path / "net.param")
    session = opened(path, threads=1)
    assert session.inputs == {"data": (None, 1, None, None)}
    for shape in ((1, 40, 52, 1), (3, 64, 33, 1)):
        x = images(*shape)
        found = session.run({"data": to_caffe_order(x)})["prob"]
        assert_close(found, to_caffe_order(model.predict(x, verbose=0)), 1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.bin", "net.param"]


@pytest.mark.parametrize("fold", [False, True])
def test_keras_own_layers(fold, tmp_path):
    model = stock((8, 10, 3))
    path = keras_fcn.export(model, tmp_path / "net.param", fold=fold)
    assert ("\nBatchNorm " in path.read_text()) is not fold
    x = images(2, 8, 10, 3)
    (found,) = opened(path, threads=1).run({"image": to_caffe_order(x)}).values()
    assert_close(found, model.predict(x, verbose=0), 1e-5)


def test_other_numbers_leave_no_file(tmp_path, monkeypatch):
    model, other, check = (
        random_weights(keras_fcn.LeNet()),
        keras_fcn.LeNet(),
        ncnn_check.check_ncnn,
    )
    monkeypatch.setattr(
        ncnn_check, "check_ncnn", lambda path, _, shapes: check(path, other, shapes)
    )
    with pytest.raises(convert.CaffeError, match=r"net\.param: output 'prob' in ncnn differs"):
        keras_fcn.export(model, tmp_path / "net.param")
    assert not list(tmp_path.iterdir())
    keras_fcn.export(model, tmp_path / "net.param", check=False)


def test_what_caffe_lacks_is_refused(tmp_path):
    image = keras.Input((8, 8, 3))
    with pytest.raises(convert.CaffeError, match="Own"):
        keras_fcn.export(keras.Model(image, Own()(image)), tmp_path / "net.param")
    with pytest.raises(ValueError, match="has no such options"):
        keras_fcn.export(keras_fcn.LeNet(), tmp_path / "net.param", opset=13)
    assert not list(tmp_path.iterdir())


def test_by_command(tmp_path, capsys):
    """The converter's command compares, and says so where it cannot; the exporter's writes too."""
    case = layer_case("conv_k3_p1_s2")
    files = [str(case.prototxt), str(case.weights)]
    assert main(["convert", *files, "-o", str(tmp_path / "net.param")]) == 0
    assert "wrote" in capsys.readouterr().out
    found = opened(tmp_path / "net.param", threads=1).run(case.inputs)
    for name, expected in case.outputs.items():
        assert_close(found[name], expected)
    assert main(["convert", *files, "-o", str(tmp_path / "net.param"), "--opset", "13"]) != 0
    assert "--opset is for ONNX files only" in capsys.readouterr().err
