"""Small networks, as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import keras_fcn

CONV = """
name: "convolution"
input: "data" input_dim: 1 input_dim: 1 input_dim: 100 input_dim: 100
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 3 kernel_size: 5 stride: 1
    weight_filler { type: "gaussian" std: 0.01 } bias_filler { type: "constant" value: 0 } } }
"""

CLASSIFIER = """
name: "small"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "fc6" type: "InnerProduct" bottom: "pool1" top: "fc6"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" }
    bias_filler { type: "uniform" min: -1 max: 1 } } }
layer { name: "relu6" type: "ReLU" bottom: "fc6" top: "fc6" }
layer { name: "fc7" type: "InnerProduct" bottom: "fc6" top: "fc7"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc7" top: "prob" }
"""

FULLY_CONVOLUTIONAL = """
name: "small fully convolutional"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 12 dim: 14 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "full6" type: "Convolution" bottom: "pool1" top: "full6"
  convolution_param { num_output: 5 kernel_size: 3 } }
layer { name: "relu6" type: "ReLU" bottom: "full6" top: "full6" }
layer { name: "full7" type: "Convolution" bottom: "full6" top: "full7"
  convolution_param { num_output: 4 kernel_size: 1 } }
layer { name: "prob" type: "Softmax" bottom: "full7" top: "prob" }
"""


def net_of(text: str, folder: Path, *args: Any, **options: Any) -> keras_fcn.Net:
    """The net of a prototxt, its random fillers the same in each run."""
    path = folder / "net.prototxt"
    path.write_text(text)
    return keras_fcn.Net(path, *args, **{"seed": 0, **options})


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)
