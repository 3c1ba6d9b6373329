"""Networks that classify whole images, and data that they learn in seconds."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from keras_fcn.core.card import Card
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.preprocessing import Preprocessing
from tests.keras_fcn.datasets.test_caffe_lmdb import datum, write_lmdb

SIZE = 12
SEED = 0
"""Of weights that learn, and begin alike on every backend."""
PREPROCESSING = Preprocessing(channels=1, mean=None, input_scale=1 / 256)

PROTOTXT = """
name: "Small"
layer { name: "db" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { scale: 0.00390625 mirror: true } data_param { source: "a" batch_size: 4 } }
layer { name: "db" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { scale: 0.00390625 } data_param { source: "b" batch_size: 4 } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  param { lr_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "conv1" top: "ip"
  param { lr_mult: 1 } param { lr_mult: 2 }
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy"
  include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
"""A network of training of four classes, as Caffe's examples have theirs."""


def quadrants(label: int, seed: int) -> np.ndarray:
    """A noisy image (1, 12, 12), bright in one of 4 quadrants; 4..7 are dark there instead."""
    values = np.random.default_rng([seed, label]).normal(120, 20, (1, SIZE, SIZE))
    row, column = divmod(label % 4, 2)
    half = SIZE // 2
    place = np.s_[0, row * half : (row + 1) * half, column * half : (column + 1) * half]
    values[place] += 110 if label < 4 else -110
    return np.clip(values, 0, 255).astype(np.uint8)


def database(folder: Path, count: int, classes: int = 4, seed: int = 0) -> Path:
    contents = {
        f"{index:04}": datum(quadrants(index % classes, seed * 1000 + index), label=index % classes)
        for index in range(count)
    }
    return write_lmdb(folder, contents)


def small(classes: int = 4, softmax: bool = True, seed: int = 0) -> keras.Model:
    rng = np.random.default_rng(SEED + seed)
    x = inputs = keras.Input((SIZE, SIZE, 1), name="data")
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv1")(x)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dense(classes, name="ip")(x)
    x = keras.layers.Softmax(name="prob")(x) if softmax else x
    model = CaffeFunctional(inputs, x, name="small", card=Card("s", preprocessing=PREPROCESSING))
    for kernel in (variable for variable in model.variables if variable.name == "kernel"):
        reach = np.sqrt(6 / (np.prod(kernel.shape[:-1]) + kernel.shape[-1]))
        kernel.assign(rng.uniform(-reach, reach, kernel.shape).astype("float32"))
    return model
