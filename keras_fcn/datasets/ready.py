"""Images that hold what the network takes: Caffe's `HDF5Data` passes values as they are."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from keras_fcn.preprocessing import Preprocessing

if TYPE_CHECKING:
    import keras

    from keras_fcn.datasets.labelled import LabelledImages

__all__ = ["all_ready", "fit_ready", "model_or_no_preprocessing", "ready_preprocessing"]

_DEFAULT_SCALE = 255.0


def all_ready(dataset: LabelledImages) -> bool:
    """Whether no image of a data set is a picture."""
    return bool(len(dataset)) and all(pair.ready for pair in dataset.pairs)


def ready_preprocessing(
    dataset: LabelledImages, model: keras.Model | Preprocessing, channels: int
) -> Preprocessing:
    """Preparation of the values of a data set's ready images.

    Nothing, whatever the model does to pictures, unless it is asked for: by the data set, or by a
    `Preprocessing` in place of the model. Of the latter the mean and the scales count, but for a
    `raw_scale` of 255, the default. The order of channels is always kept.
    """
    asked = dataset.preprocessing
    if asked is None and isinstance(model, Preprocessing):
        scale = 1.0 if model.raw_scale == _DEFAULT_SCALE else model.raw_scale
        asked = dataclasses.replace(model, raw_scale=scale, size=None, crop=None)
    if asked is None:
        return Preprocessing(channels=channels, raw_scale=1, mean=None)
    # Sources turn BGR to RGB; this order turns it back.
    return dataclasses.replace(asked, channels=channels, channel_order="bgr")


def model_or_no_preprocessing(dataset: LabelledImages, model: keras.Model) -> Preprocessing:
    """What a model does to pictures; nothing, where it does not know and there are none.

    Raises:
        ValueError: it does not know, and there are pictures.
    """
    from keras_fcn.inference.prediction import model_preprocessing

    try:
        return model_preprocessing(model)
    except ValueError:
        if not all_ready(dataset):
            raise
        return Preprocessing(channels=model.inputs[0].shape[-1], mean=None)


def fit_ready(image: np.ndarray, channels: int) -> np.ndarray:
    """A ready image, if it has as many channels as the network takes.

    Raises:
        ValueError: it has not; no values are made up or dropped.
    """
    if image.shape[-1] != channels:
        raise ValueError(
            f"values that are fed as they are need the network's {channels} channels. "
            f"Received: {image.shape[-1]}"
        )
    return image
