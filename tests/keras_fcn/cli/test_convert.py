from __future__ import annotations

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.keras_hdf5.writing import WeightsFile
from keras_fcn.cli.convert import main as convert_main


def test_is_the_same_as_python_m_convert(run, net, tmp_path, capsys):
    ours, theirs = tmp_path / "a.h5", tmp_path / "b.h5"
    outcome = run("convert", net.prototxt, net.caffemodel, "-o", ours, "--mean", net.mean)
    assert outcome.status == 0
    arguments = [net.prototxt, net.caffemodel, "-o", theirs, "--mean", net.mean]
    assert convert_main([str(argument) for argument in arguments]) == 0
    printed = capsys.readouterr()
    assert outcome.out.replace("a.h5", "b.h5") == printed.out
    assert outcome.out.endswith(f"wrote {ours}\n")
    with WeightsFile(ours) as a, WeightsFile(theirs) as b:
        assert list(a) == list(b) == ["conv1", "conv2", "ip1", "ip2"]
        np.testing.assert_array_equal(a["ip1"][0], b["ip1"][0])
        np.testing.assert_array_equal(a.mean()[..., 0], np.load(net.mean)[0])
        np.testing.assert_array_equal(a.mean(), b.mean())


def test_without_prototxt(run, net, tmp_path):
    outcome = run("convert", net.caffemodel, "-o", tmp_path / "net.h5", "--quiet")
    assert (outcome.status, outcome.out) == (0, "")
    with WeightsFile(tmp_path / "net.h5") as file:
        assert file.shapes("ip2") == [(500, 12), (12,)]


def test_list_writes_nothing(run, net, tmp_path):
    outcome = run("convert", net.prototxt, net.caffemodel, "--list")
    assert outcome.status == 0
    assert "20x1x5x5" in outcome.out
    assert "wrote" not in outcome.out


def test_nan_is_said_once_even_when_quiet(run, net, tmp_path):
    weights = {name: [blob.copy() for blob in blobs] for name, blobs in _weights(net).items()}
    weights["conv2"][1][3] = np.nan
    bad = tmp_path / "nan.caffemodel"
    convert.write_caffemodel(bad, net.prototxt, weights)
    outcome = run("convert", net.prototxt, bad, "-o", tmp_path / "nan.h5", "--quiet")
    assert outcome.status == 0
    assert outcome.err == "note: conv2/bias holds NaN\n"


def _weights(net):
    return convert.load_weights(net.caffemodel)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>Not found</html>", "is a web page"),
        (b"\x0a\x03net" + b"\xff" * 40, "is not a caffemodel"),
    ],
)
def test_bad_weights_are_one_line(content, message, run, net, tmp_path):
    path = tmp_path / "bad.caffemodel"
    if content is not None:
        path.write_bytes(content)
    outcome = run("convert", net.prototxt, path, "-o", tmp_path / "out.h5")
    assert message in outcome.error
    assert str(path) in outcome.error
    assert not (tmp_path / "out.h5").exists()


def test_output_that_cannot_be_written(run, net, tmp_path):
    outcome = run("convert", net.prototxt, net.caffemodel, "-o", tmp_path / "no" / "out.h5")
    assert "cannot write" in outcome.error


TOLD = ("--mean", "33.5", "--input-scale", "1/256", "--raw-scale", "128", "--size", "32x30")
TOLD += ("--crop", "28x28")


@pytest.mark.parametrize("form", ["h5", "npz"])
def test_what_is_told_of_images_and_classes_is_in_the_file(form, run, net, tmp_path):
    names = [f"letter {index}" for index in range(12)]
    (tmp_path / "labels.txt").write_text("\n".join(names))
    colours = np.random.default_rng(0).integers(0, 256, (12, 3))
    np.savetxt(tmp_path / "palette.txt", colours, "%d")
    told = (*TOLD, "--labels", tmp_path / "labels.txt", "--palette", tmp_path / "palette.txt")
    output = tmp_path / f"net.{form}"
    outcome = run("convert", net.prototxt, net.caffemodel, "-o", output, "--quiet", *told)
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")
    card = keras_fcn.load(net.prototxt, output).card
    expected = keras_fcn.Preprocessing(
        size=(32, 30), crop=(28, 28), channels=1, mean=(33.5,), input_scale=1 / 256, raw_scale=128
    )
    assert card.preprocessing == expected
    assert card.classes == keras_fcn.Classes(tuple(names), colours)
    exported = ("export", net.prototxt, "--weights", output, "-o", tmp_path / "net.keras")
    assert run(*exported).status == 0
    assert keras_fcn.load(tmp_path / "net.keras").card.preprocessing == expected


def test_a_mean_s_file_and_more(run, net, tmp_path):
    command = ("convert", net.prototxt, net.caffemodel, "-o", tmp_path / "net.h5")
    outcome = run(*command, "--mean", net.mean, "--input-scale", "0.5")
    assert outcome.status == 0, outcome
    own = keras_fcn.load(net.prototxt, tmp_path / "net.h5").card.preprocessing
    np.testing.assert_array_equal(own.mean[..., 0], np.load(net.mean)[0])
    assert own.input_scale == 0.5
    with WeightsFile(tmp_path / "net.h5") as file:
        np.testing.assert_array_equal(file.mean(), own.mean)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--labels", "labels.txt", "--mean", "none"), "--labels must name each of the 12 classes"),
        (("--crop", "3x3", "--mean", "none"), "--crop must be 28x28"),
        (("--input-scale", "2"), "give --mean, or --mean none"),
    ],
)
def test_what_does_not_fit_is_refused(options, message, run, net, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.txt").write_text("a\nb\n")
    outcome = run("convert", net.prototxt, net.caffemodel, "-o", "net.h5", *options)
    assert message in outcome.error
    assert not (tmp_path / "net.h5").exists()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("-o", "net.npy", "--mean", "mean.npy"), "weights alone, so --mean would be lost"),
        (("--list", "--no-rgb"), "--list writes nothing, so --rgb would be lost"),
    ],
)
def test_what_would_be_lost_is_a_usage_error(options, what, run, net, capsys):
    with pytest.raises(SystemExit) as exit_:
        run("convert", net.prototxt, net.caffemodel, *options)
    assert exit_.value.code == 2
    assert what in capsys.readouterr().err


@pytest.mark.parametrize("form", ["onnx", pytest.param("param", marks=pytest.mark.slow)])
def test_a_fully_convolutional_network_in_one_file(form, run, net, tmp_path):
    output = tmp_path / f"net.{form}"
    told = ("--fully-convolutional", "--mean", "none")
    outcome = run("convert", net.prototxt, net.caffemodel, "-o", output, "--quiet", *told)
    assert outcome.status == 0, outcome
    images = np.random.default_rng(0).random((1, 45, 60, 1), np.float32)
    model = keras_fcn.to_fully_convolutional(keras_fcn.load(net.prototxt, net.h5))
    expected = model.predict(images, verbose=0)
    found = keras_fcn.optimize_for_inference(output).predict(images)
    assert found.shape == expected.shape == (1, 6, 9, 12)
    np.testing.assert_allclose(found, expected, atol=1e-5)
