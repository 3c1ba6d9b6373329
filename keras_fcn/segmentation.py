"""From an image to a label for each of its pixels."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from keras_fcn.images import load_image
from keras_fcn.layers.argmax import ArgMax
from keras_fcn.prediction import model_preprocessing, predict
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.registry.datasets import DataSet, data_set
from keras_fcn.resampling import resize

_MOST_CLASSES = 256


def segment(
    model: keras.Model,
    image: str | Path | np.ndarray,
    *,
    preprocessing: Preprocessing | None = None,
) -> np.ndarray:
    """The best class of each pixel of an image.

    Scores of a map coarser than the image are interpolated before the best is taken; labels
    that the network gives itself (SegNet's ArgMax) are repeated.

    Args:
        model: a network whose output is a map of class scores, or of labels.
        image: a file, or RGB pixels (H, W, 3) or (H, W): uint8 0..255 or floats 0..1.
        preprocessing: how the image is prepared; None for the model's own.

    Returns:
        uint8 (H, W), the image's size; of more than 256 classes uint16.

    Raises:
        ValueError: the model gives no map; see :func:`keras_fcn.predict`.
    """
    preprocessing = preprocessing or model_preprocessing(model)
    if not isinstance(image, np.ndarray):
        image = load_image(image, color=preprocessing.channels == 3)
    scores = predict(model, image, preprocessing=preprocessing)
    if scores.ndim != 3:
        raise ValueError(
            "the model must give a map of classes (rows, columns, classes); a classifier is cast "
            f"to one by to_fully_convolutional. Received: {scores.shape} from {model.name!r}"
        )
    height, width = image.shape[:2]
    if isinstance(model.layers[-1], ArgMax):
        rows, columns = (
            np.arange(pixels) * cells // pixels
            for pixels, cells in zip((height, width), scores.shape, strict=False)
        )
        labels = scores[rows[:, np.newaxis], columns, 0]
    else:
        labels = resize(scores, (height, width)).argmax(axis=-1)
    dtype = np.uint8 if labels.max() < _MOST_CLASSES else np.uint16
    return labels.astype(dtype)


def model_data_set(model: keras.Model) -> DataSet | None:
    """The classes and colours of the data set that a model carries; None where it has none."""
    info = getattr(model, "caffe", None)
    return None if info is None or not info.dataset else data_set(info.dataset)
