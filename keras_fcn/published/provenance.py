"""What a weights file tells of the images and classes of its network."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np

from keras_fcn.caffe.blobs.keras_hdf5 import WeightsFile
from keras_fcn.caffe.blobs.weights import OpenWeights
from keras_fcn.core.model import CaffeInfo
from keras_fcn.layers.argmax import ArgMax
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.published import data_set, identify, published_model
from keras_fcn.published.entries import PublishedModel


def note_source(
    model: keras.Model,
    weights: OpenWeights | None,
    *,
    preprocessing: Preprocessing | None = None,
    published: Sequence[str | None] = (),
) -> None:
    """Let a model carry how images are prepared for it, and what its classes are.

    What is known of a published network holds where the model has its classes; with others
    the weights are but where training begins. A mean in the weights file goes before all.

    Args:
        model: a model of this package, built.
        weights: its open weights file, if any; one of the converter tells what it was made from.
        preprocessing: the network's own, whose sizes stay; None for what it carries.
        published: the registry's names that the weights may have, the likeliest first.
    """
    entries = [published_model(name) for name in published if name is not None]
    mean = None
    if isinstance(weights, WeightsFile):
        identity = identify(weights)
        if identity is not None:
            entries.insert(0, identity.entry)
        mean = weights.mean()
    entry = next((entry for entry in entries if _has_classes(entry, model)), None)
    info = getattr(model, "caffe", None) or CaffeInfo(model.name)
    if preprocessing is None and info.preprocessing is not None:
        preprocessing = Preprocessing.from_config(info.preprocessing)
    if entry is not None:
        preprocessing = entry.preprocessing(preprocessing, model.inputs[0].shape[-1])
        info = dataclasses.replace(info, dataset=entry.dataset, tiles=entry.tile_options())
    if mean is not None:
        preprocessing = _with_mean(preprocessing, mean, model.inputs[0].shape)
    config = None if preprocessing is None else preprocessing.to_config()
    model.caffe = dataclasses.replace(info, preprocessing=config)


def _with_mean(
    preprocessing: Preprocessing | None, mean: np.ndarray, shape: tuple[int | None, ...]
) -> Preprocessing:
    """The preprocessing with a stored mean.

    A mean image covers inputs up to its own size; a network that takes others gets its mean
    pixel.
    """
    own = preprocessing or Preprocessing(channels=shape[-1] or mean.shape[-1], mean=None)
    window = own.crop or shape[1:3]
    covered = mean.ndim == 3 and all(
        length is not None and length <= pixels
        for length, pixels in zip(window, mean.shape, strict=False)
    )
    return dataclasses.replace(own, mean=mean if covered else _pixel(mean))


def _pixel(mean: np.ndarray) -> np.ndarray:
    return mean.reshape(-1, mean.shape[-1]).mean(axis=0)


def _has_classes(entry: PublishedModel, model: keras.Model) -> bool:
    """Whether the model has the classes of a published network, as far as they are known."""
    if not entry.dataset or isinstance(model.layers[-1], ArgMax):
        return True
    classes = len(data_set(entry.dataset).classes)
    return [tensor.shape[-1] for tensor in model.outputs] == [classes]
