"""A small network and its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import settings

from keras_fcn.caffe.proto import schema
from tests.keras_fcn.caffe import writer

# The same examples at every run, and no folder of found ones beside the code.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")

SMALL = """
name: "small"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 9 dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "block/conv2" type: "Convolution" bottom: "conv1" top: "conv2"
  convolution_param { num_output: 6 kernel_h: 1 kernel_w: 3 group: 2 pad_h: 0 pad_w: 1 } }
layer { name: "pool" type: "Pooling" bottom: "conv2" top: "pool"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "pool" top: "ip1"
  inner_product_param { num_output: 5 } }
layer { name: "drop" type: "Dropout" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: 7 bias_term: false } }
layer { name: "prob" type: "Softmax" bottom: "ip2" top: "prob" }
"""
SHAPES = {
    "conv1": [(4, 3, 3, 3), (4,)],
    "block/conv2": [(6, 2, 1, 3), (6,)],
    "ip1": [(5, 6 * 4 * 3), (5,)],
    "ip2": [(7, 5)],
}


@dataclass(frozen=True)
class Files:
    """A prototxt, a caffemodel, and the blobs in it."""

    prototxt: Path
    caffemodel: Path
    weights: dict[str, list[np.ndarray]]

    @property
    def output(self) -> Path:
        return self.prototxt.with_name("net.h5")


def random_blobs(shapes: Sequence[tuple[int, ...]], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def layers_of(prototxt: str, weights: dict[str, list[np.ndarray]], **form: bool) -> list[bytes]:
    """The layers of a network in the current form, with their blobs."""
    net = text_format.Parse(prototxt, schema.new("NetParameter"))
    return [
        writer.layer(
            text_format.MessageToString(layer),
            [writer.blob(array, **form) for array in weights.get(layer.name, [])],
        )
        for layer in net.layer
    ]


def write_files(
    folder: Path, prototxt: str, shapes: dict[str, list[tuple[int, ...]]], **form: bool
) -> Files:
    """Write a network and random weights of these shapes."""
    weights = {name: random_blobs(s, seed) for seed, (name, s) in enumerate(shapes.items())}
    files = Files(folder / "net.prototxt", folder / "net.caffemodel", weights)
    files.prototxt.write_text(prototxt)
    files.caffemodel.write_bytes(writer.net('name: "net"', layers_of(prototxt, weights, **form)))
    return files


@pytest.fixture
def small(tmp_path: Path) -> Files:
    """The small network: convolutions, one of them grouped, and inner products."""
    return write_files(tmp_path, SMALL, SHAPES)
