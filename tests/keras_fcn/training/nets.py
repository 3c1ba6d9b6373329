"""A network and data small enough to train in a second."""

from __future__ import annotations

from pathlib import Path

import keras

import keras_fcn
from keras_fcn import datasets
from keras_fcn.core.card import Card
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.datasets import shapes
from keras_fcn.preprocessing import Preprocessing

CLASSES = 4
PREPROCESSING = Preprocessing(mean=(110.0, 110.0, 110.0), input_scale=1 / 64)


def tiny(classes: int = CLASSES, *, dropout: float = 0.0, stride: int = 2, seed: int = 0):
    """Two convolutions and scores, at half the image's size."""
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((None, None, 3), name="data")
    x = keras.layers.Conv2D(8, 3, stride, padding="same", activation="relu", name="conv1")(x)
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="conv2")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="drop")(x)
    x = keras.layers.Conv2D(classes, 1, name="score")(x)
    x = keras_fcn.PixelwiseSoftmax(name="prob")(x)
    card = Card("tiny", preprocessing=PREPROCESSING)
    return CaffeFunctional(inputs, x, name="tiny", card=card)


def shapes_data(folder: Path, train: int = 8, val: int = 3, size: tuple[int, int] = (32, 32)):
    """Training and validation data."""
    shapes.write(folder, train, val, size)
    return tuple(datasets.load_folders(folder, split) for split in ("train", "val"))
