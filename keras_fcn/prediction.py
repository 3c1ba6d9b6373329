"""From an image to class probabilities, with the model's own preprocessing."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from keras_fcn.images import load_image
from keras_fcn.preprocessing import Preprocessing


def predict(
    model: keras.Model,
    image: str | Path | np.ndarray,
    *,
    preprocessing: Preprocessing | None = None,
) -> np.ndarray:
    """Class scores of one image.

    Args:
        model: a classifier or a fully convolutional network.
        image: a file, or RGB pixels (H, W, 3) or (H, W): uint8 0..255 or floats 0..1.
        preprocessing: how the image is prepared; None for the model's own.

    Returns:
        float32, (classes,) from a classifier, (rows, columns, classes) from a fully
        convolutional network.

    Raises:
        ValueError: the model has several outputs or does not know its preprocessing,
            or the image cannot be read or does not fit.
    """
    preprocessing = preprocessing or model_preprocessing(model)
    if not isinstance(image, np.ndarray):
        image = load_image(image, color=preprocessing.channels == 3)
    batch = preprocessing(image)[np.newaxis]
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
    return outputs[0][0]


def model_preprocessing(model: keras.Model) -> Preprocessing:
    """The preprocessing that a model carries.

    Raises:
        ValueError: it carries none.
    """
    info = getattr(model, "caffe", None)
    if info is None or info.preprocessing is None:
        raise ValueError(
            "the model does not know how its images are prepared; give preprocessing=. "
            f"Received: model {model.name!r}"
        )
    return Preprocessing.from_config(info.preprocessing)
