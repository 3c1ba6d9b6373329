"""From an image to class probabilities, with the model's own preprocessing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import keras
import numpy as np

from keras_fcn.datasets.reading import read_image
from keras_fcn.datasets.sources import fit_channels
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.tiling import Tiles, predict_tiles


def predict(
    model: keras.Model,
    image: str | Path | np.ndarray,
    *,
    preprocessing: Preprocessing | None = None,
) -> np.ndarray:
    """Class scores of one image.

    A model that carries the tiles it was published with (DilatedNet) is given the image
    tile by tile, see :mod:`keras_fcn.tiling`; any other the whole image.

    Args:
        model: a classifier or a fully convolutional network.
        image: a file, see :func:`read_input`, or pixels (H, W, channels), RGB where there
            are three, or (H, W): uint8 0..255 or floats 0..1.
        preprocessing: how the image is prepared; None for the model's own.

    Returns:
        float32, (classes,) from a classifier, (rows, columns, classes) from a fully
        convolutional network; of every pixel where there are tiles.

    Raises:
        ValueError: the model has several outputs or does not know its preprocessing,
            or the image cannot be read or does not fit.
    """
    preprocessing = preprocessing or model_preprocessing(model)
    if not isinstance(image, np.ndarray):
        image = read_input(image, preprocessing.channels)
    prepared = preprocessing(image)
    tiles = model_tiles(model)
    if tiles is not None:
        return predict_tiles(lambda batch: _forward(model, batch), prepared, tiles)
    return _forward(model, prepared[np.newaxis])[0]


def read_input(path: str | Path, channels: int) -> np.ndarray:
    """An image file as training and evaluation read it, with a network's channels.

    Args:
        path: a picture, a TIFF of many bands, or a ``.npy``; see
            :func:`keras_fcn.datasets.reading.read_image`.
        channels: how many the network takes; grey is repeated for three, colours become
            luma for one, alpha or a fourth band is left out for three.

    Returns:
        (H, W, channels): uint8 0..255, or float32 0..1.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not an image, or has other channels; the message names it.
    """
    try:
        image = read_image(Path(path))
    except ValueError as error:
        raise ValueError(f"Cannot read an image: {error}") from error
    try:
        return fit_channels(image, channels)
    except ValueError as error:
        raise ValueError(
            f"{path} has {image.shape[-1]} channels, the network takes {channels}"
        ) from error


def _forward(model: keras.Model, batch: np.ndarray) -> np.ndarray:
    try:
        outputs = keras.tree.flatten(model.predict(batch, verbose=0))
    except ValueError as error:
        raise ValueError(
            f"model {model.name!r} takes (batch, height, width, channels) as {model.input_shape}, "
            f"and images large enough for its windows. Received: {batch.shape}"
        ) from error
    if len(outputs) != 1:
        raise ValueError(
            f"the model must have one output. Received: model {model.name!r} with {len(outputs)}"
        )
    return outputs[0]


def model_preprocessing(model: keras.Model) -> Preprocessing:
    """The preprocessing that a model carries; to its input's size, where that is fixed.

    Raises:
        ValueError: it carries none.
    """
    info = getattr(model, "caffe", None)
    if info is None or info.preprocessing is None:
        raise ValueError(
            "the model does not know how its images are prepared; give preprocessing=. "
            f"Received: model {model.name!r}"
        )
    result = Preprocessing.from_config(info.preprocessing)
    (_, *size, _), *_ = (tensor.shape for tensor in model.inputs)
    if None in size or result.size or result.crop or info.tiles is not None:
        return result
    return dataclasses.replace(result, size=tuple(size))


def model_tiles(model: keras.Model) -> Tiles | None:
    """The tiles that a model carries, if any."""
    info = getattr(model, "caffe", None)
    return None if info is None or info.tiles is None else Tiles(**info.tiles)
