"""How a model's images are prepared, where that is to be inside of a file."""

from __future__ import annotations

import keras

from keras_fcn.core.card import card_of
from keras_fcn.inference.prediction import model_preprocessing
from keras_fcn.preprocessing import Preprocessing

__all__ = ["WHITE", "inner_preprocessing"]

WHITE = 255.0
"""What is full scale in uint8 images."""


def inner_preprocessing(model: keras.Model) -> Preprocessing:
    """The preparation of a network that takes one batch of whole images, and knows it.

    Raises:
        ValueError: the model takes more, does not know how images are prepared, takes them in
            tiles, or resized as OpenCV does.
    """
    if len(model.inputs) != 1 or card_of(model).tiles is not None:
        why = "cuts images into tiles" if len(model.inputs) == 1 else "takes more than images"
        raise ValueError(
            f"preprocessing_inside is for a network that takes whole images. "
            f"Received: {model.name!r}, which {why}"
        )
    preprocessing = model_preprocessing(model)
    if preprocessing.size is not None and preprocessing.interpolation == "opencv":
        raise ValueError(
            "preprocessing_inside resizes as 'bilinear' does, or 'bilinear_corners'. "
            f"Received: {model.name!r}, whose card has interpolation='opencv'"
        )
    return preprocessing
