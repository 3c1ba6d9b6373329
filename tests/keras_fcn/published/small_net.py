"""A LeNet of ten classes with random weights, as Caffe's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import convert

_PROTOTXT = """
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
  inner_product_param { num_output: 10 } }
layer { name: "prob" type: "Softmax" bottom: "ip2" top: "prob" }
"""
_SHAPES = {
    "conv1": ((20, 1, 5, 5), (20,)),
    "conv2": ((50, 20, 5, 5), (50,)),
    "ip1": ((500, 800), (500,)),
    "ip2": ((10, 500), (10,)),
}


def write(folder: Path) -> tuple[Path, Path]:
    """Write both files; returns the prototxt and the caffemodel."""
    prototxt, caffemodel = folder / "small.prototxt", folder / "small.caffemodel"
    prototxt.write_text(_PROTOTXT)
    random = np.random.default_rng(0)
    blobs = {
        name: [random.normal(0, 0.05, shape) for shape in shapes]
        for name, shapes in _SHAPES.items()
    }
    convert.write_caffemodel(caffemodel, prototxt, blobs)
    return prototxt, caffemodel
