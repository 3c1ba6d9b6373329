from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import convert
from keras_fcn.cli import main

PROTOTXT = """
name: "Small"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 1 dim: 28 dim: 28 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 20 kernel_size: 5 } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
  convolution_param { num_output: 50 kernel_size: 5 } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "pool2" top: "ip1"
  inner_product_param { num_output: 500 } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: 12 } }
layer { name: "prob" type: "Softmax" bottom: "ip2" top: "prob" }
"""
SHAPES = {
    "conv1": ((20, 1, 5, 5), (20,)),
    "conv2": ((50, 20, 5, 5), (50,)),
    "ip1": ((500, 800), (500,)),
    "ip2": ((12, 500), (12,)),
}


class Outcome(NamedTuple):
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The message of the one error line; fails if there is not exactly one, or a traceback."""
        assert self.status == 1, self
        (line,) = [line for line in self.err.splitlines() if "error" in line.lower()]
        assert line.startswith("error: ")
        assert line == self.err.splitlines()[-1]
        assert "Traceback" not in self.err
        return line.removeprefix("error: ")


class Net(NamedTuple):
    """A LeNet of twelve classes with random weights."""

    prototxt: Path
    caffemodel: Path
    h5: Path
    h5_with_mean: Path
    mean: Path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs the command line."""

    def run_command(*arguments: object) -> Outcome:
        status = main([str(argument) for argument in arguments])
        return Outcome(status, *capsys.readouterr())

    return run_command


@pytest.fixture(scope="session")
def net(tmp_path_factory: pytest.TempPathFactory) -> Net:
    folder = tmp_path_factory.mktemp("net")
    names = ("net.prototxt", "net.caffemodel", "net.h5", "net_with_mean.h5", "mean.npy")
    files = Net(*(folder / name for name in names))
    files.prototxt.write_text(PROTOTXT)
    random = np.random.default_rng(0)
    weights = {
        name: [random.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape) for shape in shapes]
        for name, shapes in SHAPES.items()
    }
    convert.write_caffemodel(files.caffemodel, files.prototxt, weights)
    np.save(files.mean, random.uniform(90, 160, (1, 28, 28)).astype(np.float32))
    convert.convert(files.prototxt, files.caffemodel, files.h5)
    convert.convert(files.prototxt, files.caffemodel, files.h5_with_mean, mean=files.mean)
    return files
