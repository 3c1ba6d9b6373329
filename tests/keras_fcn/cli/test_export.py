from __future__ import annotations

import keras
import numpy as np
import onnxruntime
import pytest
from PIL import Image

import keras_fcn
from keras_fcn.caffe.keras_hdf5.writing import WeightsFile


@pytest.mark.parametrize(
    ("name", "options", "made"),
    [
        ("model.keras", [], "model.keras"),
        ("model", [], "model/saved_model.pb"),
        ("model.v1", ["--format", "saved_model"], "model.v1/saved_model.pb"),
    ],
)
def test_format_follows_the_suffix(name, options, made, run, net, tmp_path):
    outcome = run("export", net.prototxt, "--weights", net.h5, "-o", tmp_path / name, *options)
    assert outcome.status == 0, outcome
    assert outcome.out == f"wrote {tmp_path / name}\n"
    assert (tmp_path / made).is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.slow
def test_keras_file_holds_the_weights(run, net, tmp_path):
    path = tmp_path / "model.keras"
    assert run("export", "lenet", "--weights", net.caffemodel, "-o", path).status == 0
    model = keras.models.load_model(path)
    image = np.random.default_rng(0).uniform(0, 1, (2, 28, 28, 1)).astype(np.float32)
    expected = keras_fcn.LeNet(classes=12, weights=net.h5).predict(image, verbose=0)
    np.testing.assert_array_equal(model.predict(image, verbose=0), expected)


def test_keras_file_with_other_weights(run, net, tmp_path):
    blank, path = tmp_path / "blank.keras", tmp_path / "model.keras"
    assert run("export", net.prototxt, "-o", blank).status == 0
    assert run("export", blank, "--weights", net.h5, "-o", path).status == 0
    with WeightsFile(net.h5) as stored:
        np.testing.assert_array_equal(
            keras.models.load_model(path).get_layer("ip2").get_weights()[0], stored["ip2"][0]
        )


def test_onnx_gives_the_same_numbers(run, net, tmp_path):
    path = tmp_path / "model.onnx"
    assert run("export", "lenet_fcn", "--weights", net.h5, "-o", path).status == 0
    image = np.random.default_rng(0).uniform(0, 1, (1, 40, 52, 1)).astype(np.float32)
    session = onnxruntime.InferenceSession(path)
    (actual,) = session.run(None, {"data": np.moveaxis(image, -1, 1)})
    expected = keras_fcn.LeNetFCN(classes=12, weights=net.h5).predict(image, verbose=0)
    np.testing.assert_allclose(np.moveaxis(actual, 1, -1), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet", "-o", "absent/model.onnx"], "cannot write absent/model.onnx"),
        (["lenet", "-o", "absent/model.keras"], "cannot write absent/model.keras"),
        (["lenet", "-o", "model.zip", "--format", "keras"], "ends in .keras"),
        (["lenet", "-o", "."], "is not a SavedModel"),
        (["vgg7", "-o", "model"], "the model is one of"),
        (["lenet", "-o", "model.lite"], "cannot tell a format from 'model.lite'"),
        (["lenet", "-o", "model.pb"], "cannot tell a format from 'model.pb'"),
        (["lenet", "-o", "model.v1"], "cannot tell a format from 'model.v1'"),
        (["lenet", "-o", "model.h5", "--format", "saved_model"], "ends as another program's"),
        (["lenet", "--weights", "absent.h5", "-o", "model"], "absent.h5: no such file"),
    ],
)
def test_errors_are_one_line(arguments, message, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in run("export", *arguments).error
    assert list(tmp_path.iterdir()) == []


def test_saved_model_is_refused(run, tmp_path):
    (tmp_path / "saved_model.pb").touch()
    assert "exported already" in run("export", tmp_path, "-o", tmp_path / "model.onnx").error


def test_back_to_caffe(run, net, tmp_path):
    outcome = run("export", "lenet", "--weights", net.h5, "-o", tmp_path / "net.v2.caffemodel")
    assert outcome.status == 0, outcome
    files = [tmp_path / f"net.v2.{end}" for end in ("prototxt", "caffemodel")]
    image = np.random.default_rng(0).uniform(0, 1, (2, 28, 28, 1)).astype(np.float32)
    expected = keras_fcn.LeNet(classes=12, weights=net.h5).predict(image, verbose=0)
    found = keras_fcn.from_caffe(*files).predict(image, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_open_sizes_of_a_caffe_net(run, net, tmp_path):
    command = ("export", "lenet_fcn", "--weights", net.h5, "-o", tmp_path / "fcn")
    outcome = run(*command, "--format", "caffe")
    assert outcome.status == 1
    assert "give --size HxW" in outcome.err
    outcome = run(*command, "--format", "caffe", "--size", "36x40")
    assert outcome.status == 0, outcome
    files = [line.removeprefix("wrote ") for line in outcome.out.splitlines()]
    assert files == [f"{tmp_path}/fcn.prototxt", f"{tmp_path}/fcn.caffemodel"]
    assert keras_fcn.from_caffe(tmp_path / "fcn.prototxt").output_shape[-1] == 12
    assert "HxW, such as 227x227" in run(*command, "--format", "caffe", "--size", "free").error


def test_onnx_of_one_size(run, net, tmp_path):
    path = tmp_path / "model.onnx"
    arguments = ("--weights", net.h5, "-o", path, "--layout", "channels_last", "--opset", "15")
    assert run("export", "lenet_fcn", *arguments, "--input", "data=1x40x52").status == 0
    assert onnxruntime.InferenceSession(path).get_inputs()[0].shape == ["batch", 40, 52, 1]


@pytest.mark.parametrize(
    ("option", "forms"),
    [
        (("--fold",), "ONNX and ncnn"),
        (("--layout", "channels_last"), "ONNX"),
    ],
)
def test_options_of_onnx_are_for_onnx(option, forms, run, tmp_path):
    error = run("export", "lenet", "-o", tmp_path / "model.keras", *option).error
    assert f"{option[0]} is for {forms} files only" in error


def test_a_crop_is_the_size_of_the_network(run, net, tmp_path):
    path = tmp_path / "model.prototxt"
    told = ("--mean", "10", "--size", "34x40", "--crop", "28x28")
    assert run("export", "lenet", "--weights", net.h5, "-o", path, *told).status == 0
    model = keras_fcn.from_caffe(path, path.with_suffix(".caffemodel"))
    assert model.input_shape == (None, 28, 28, 1)
    prepared = model.card.preprocessing
    assert (prepared.size, prepared.crop) == ((34, 40), (28, 28))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["-o", "x.onnx", "--precision", "int8"], "--precision is for LiteRT files only"),
        (["-o", "x.keras", "--calibration", "."], "--calibration is for LiteRT files only"),
        (["-o", "x.tflite", "--precision", "int8"], "precision int8 needs --calibration: a folder"),
        (["-o", "x.tflite", "--calibration", "."], "--calibration is for --precision int8 or"),
    ],
)
def test_precision_of_litert_files(options, line, run, net):
    outcome = run("export", net.prototxt, "--weights", net.h5, *options)
    assert outcome.status == 1
    assert line in outcome.err.splitlines()[-1]


@pytest.mark.slow
def test_a_litert_file_of_half_precision(run, net, tmp_path):
    path = tmp_path / "net.tflite"
    outcome = run(
        *("export", net.prototxt, "--weights", net.h5, "-o", path, "--precision", "float16")
    )
    assert (outcome.status, outcome.out) == (0, f"wrote {path}\n")
    assert (
        "float16: output 'prob': 0.00% of 1 labels changed, values differ on average by"
        in outcome.err
    )


def test_a_classifier_is_cast(run, net, tmp_path):
    fcn, told = tmp_path / "fcn.keras", ("--mean", "none", "--input-scale", "1/256")
    weights = ("--weights", net.caffemodel)
    outcome = run("export", net.prototxt, *weights, *told, "--fully-convolutional", "-o", fcn)
    assert outcome.status == 0, outcome
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (45, 60), np.uint8)).save(
        tmp_path / "x.png"
    )
    image = (tmp_path / "x.png", "-o", tmp_path / "labels.png")
    assert run("segment", "--model", fcn, *image).status == 0
    expected = keras_fcn.segment(keras_fcn.load(fcn), tmp_path / "x.png")
    np.testing.assert_array_equal(Image.open(tmp_path / "labels.png"), expected)
    refused = run("segment", "--prototxt", net.prototxt, *weights, *told, *image)
    assert "cast to such a network by keras-fcn export --fully-convolutional" in refused.error
