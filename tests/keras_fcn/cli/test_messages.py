"""Messages on the command line name options, never arguments of Python's functions."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from PIL import Image

import keras_fcn
from tests.keras_fcn.cli.conftest import PROTOTXT

# An argument of a function: `name=`, or a name in backticks. Texts of JSON and shapes have none.
PYTHON = re.compile(r"(?<![-\w])(?<!--input )[a-z]+(_[a-z]+)*=|`[a-z_]+`")

TRAIN = ("train", "data", "--model", "net.keras", "-o", "run", "--mean", "none", "--epochs", "1")
EXPORT = ("export", "any.prototxt", "-o")
CLASSIFY = ("classify", "x.png", "--model", "small.prototxt", "--mean")

CASES = {
    (*TRAIN, "--epochs", "0"): "--epochs must be at least 1",
    (*TRAIN, "--crop-size", "1x1", "--clip-gradients", "-1"): "--clip-gradients must be above 0",
    (*TRAIN, "--flip", "3"): "--flip must be a probability",
    (*TRAIN, "--class-weights", "1,2"): "--class-weights must be",
    (*TRAIN, "--lr-policy", "multistep"): "needs --gamma and --stepvalues",
    (*TRAIN, "--export", "caffe"): "with --crop-size or --size.*--export caffe",
    ("evaluate", "data", "--model", "net.keras", "--mean", "none", "--batch-size", "0"): (
        "--batch-size must be at least 1"
    ),
    ("evaluate", "data", "--model", "net.keras"): "give --mean",
    (*EXPORT, "out", "--preprocessing-inside"): "give --mean, or --mean none",
    (*EXPORT, "out.keras", "--input", "foo=1x2x3"): "--input: 'foo' is no input",
    (*EXPORT, "out.keras", "--input", "data=1x2"): "--input: 'data' has 4 axes",
    (*EXPORT, "out.keras", "--dialect", "x"): "--dialect must be one of",
    ("export", "net.keras", "-o", "out.prototxt"): "give --size HxW",
    ("export", "silent.prototxt", "-o", "out.keras"): "with --output-blob BLOB",
    ("export", "data.prototxt", "-o", "out.keras"): "give --input data=CxHxW",
    ("export", "train.prototxt", "-o", "out.keras"): "ask for it with --phase TRAIN$",
    (*CLASSIFY, "1,2"): "--mean must have one value.*--mean none subtracts nothing",
    (*CLASSIFY, "small.npy"): "--mean ilsvrc_2012_pixel",
    ("classify", "float.npy", *CLASSIFY[2:], "none"): "--raw-scale 1",
    (*CLASSIFY, "none", "--top", "0"): "--top must be at least 1",
    ("embed", *CLASSIFY[1:], "none", "--layer", "x"): "--layer must be",
}

CONV = """layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 3 } }
"""
INPUT = """layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 9 } } }
"""
NETS = {
    "any": INPUT + CONV,
    "small": PROTOTXT,
    "silent": INPUT + 'layer { name: "quiet" type: "Silence" bottom: "data" }',
    "data": 'layer { name: "data" type: "Data" top: "data" }' + CONV,
    "train": INPUT.replace("top:", "include { phase: TRAIN } top:") + CONV,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    keras_fcn.datasets.shapes.write(folder / "data", 4, 2, (16, 16))
    for name, text in NETS.items():
        (folder / f"{name}.prototxt").write_text(text)
    x = keras.Input((None, None, 3))
    keras.Model(x, keras.layers.Conv2D(4, 1)(x)).save(folder / "net.keras")
    Image.new("L", (28, 28)).save(folder / "x.png")
    np.save(folder / "small.npy", np.zeros((1, 9, 9), np.float32))
    np.save(folder / "float.npy", np.full((28, 28, 1), 7, np.float32))
    return folder


@pytest.mark.parametrize("command", CASES, ids=" ".join)
def test_messages_name_options(run, files, monkeypatch, command):
    monkeypatch.chdir(files)
    outcome = run(*command)
    assert re.search(CASES[command], outcome.error)
    assert not PYTHON.search(outcome.error)


@pytest.mark.slow
def test_a_run_that_diverges(run, files, monkeypatch):
    monkeypatch.chdir(files)
    longer = (*TRAIN[:5], "diverged", *TRAIN[6:], "--epochs", "3")
    error = run(*longer, "--learning-rate", "1e30").error
    assert "with a lower --learning-rate, or with --clip-gradients" in error
    assert not PYTHON.search(error)


@pytest.mark.slow
def test_other_options_of_a_run_are_named(run, files, monkeypatch):
    monkeypatch.chdir(files)
    command = (*TRAIN, "--samples", "0", "--no-tensorboard", "--export", "keras")
    assert run(*command).status == 0
    assert not (files / "run" / "tensorboard").exists()
    error = run(*command, "--crop-size", "8x8", "--lr-mult", "*=2").error
    for text in ("--overwrite it", "--on-bad-pair", "--crop-size [8, 8]", "--lr-mult.*/* [2.0"):
        assert text in error
    assert not PYTHON.search(error)
