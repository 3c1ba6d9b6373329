"""What a weights file tells of the images and classes of its network."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from convert.hdf5 import WeightsFile, is_weights_file
from keras_fcn.model import CaffeInfo
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.registry import data_set, identify, published_model
from keras_fcn.registry.entries import PublishedModel


def note_source(
    model: keras.Model,
    weights: Path | None,
    *,
    preprocessing: Preprocessing | None = None,
    published: Sequence[str | None] = (),
) -> None:
    """Let a model carry how images are prepared for it, and what its classes are.

    What is known of a published network holds where the model has its classes; with others
    the weights are but where training begins. A mean in the weights file goes before all.

    Args:
        model: a model of this package, built.
        weights: its weights file, if any; one of the converter tells what it was made from.
        preprocessing: the network's own, whose sizes stay; None for what it carries.
        published: the registry's names that the weights may have, the likeliest first.
    """
    entries = [published_model(name) for name in published if name is not None]
    mean = None
    if weights is not None and is_weights_file(weights):
        identity = identify(weights)
        if identity is not None:
            entries.insert(0, identity.entry)
        with WeightsFile(weights) as file:
            mean = file.mean()
    entry = next((entry for entry in entries if _has_classes(entry, model)), None)
    info = getattr(model, "caffe", None) or CaffeInfo(model.name)
    if preprocessing is None and info.preprocessing is not None:
        preprocessing = Preprocessing.from_config(info.preprocessing)
    if entry is not None:
        preprocessing = entry.preprocessing(preprocessing, model.inputs[0].shape[-1])
        info = dataclasses.replace(info, dataset=entry.dataset, tiles=entry.tile_options())
    preprocessing = _with_mean(preprocessing, mean)
    config = None if preprocessing is None else preprocessing.to_config()
    model.caffe = dataclasses.replace(info, preprocessing=config)


def _with_mean(
    preprocessing: Preprocessing | None, mean: np.ndarray | None
) -> Preprocessing | None:
    """The preprocessing with a stored mean; a mean image covers its own size only."""
    if mean is None:
        return preprocessing
    if preprocessing is None:
        return Preprocessing(channels=mean.shape[-1], mean=_pixel(mean))
    crop = preprocessing.crop
    covered = mean.ndim == 3 and crop is not None and (np.less_equal(crop, mean.shape[:2])).all()
    return dataclasses.replace(preprocessing, mean=mean if covered else _pixel(mean))


def _pixel(mean: np.ndarray) -> np.ndarray:
    return mean.reshape(-1, mean.shape[-1]).mean(axis=0)


def _has_classes(entry: PublishedModel, model: keras.Model) -> bool:
    """Whether the model has the classes of a published network, as far as they are known."""
    if not entry.dataset:
        return True
    classes = len(data_set(entry.dataset).classes)
    return [tensor.shape[-1] for tensor in model.outputs] == [classes]
