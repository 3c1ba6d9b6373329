"""What has to hold for a run between two files, and what tells it from others."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_fcn.caffe.words import either
from keras_fcn.inference.optimized import InferenceModel
from keras_fcn.inference.prediction import forward
from keras_fcn.preprocessing import Preprocessing

__all__ = ["fingerprint", "require_pixelwise", "require_place"]


def require_pixelwise(preprocessing: Preprocessing) -> None:
    """Require a preparation that does with each pixel the same wherever it lies."""
    if preprocessing.size or preprocessing.crop:
        how = either("preprocessing.for_any_size()", "--size free")
        raise ValueError(
            f"a file is taken at its own size, but the preprocessing resizes or crops it; {how} "
            f"keeps it. Received: size={preprocessing.size}, crop={preprocessing.crop}"
        )
    mean = preprocessing.mean_at((1, 1))
    if mean is not None and mean.ndim > 1:
        how = either("preprocessing.for_any_size()", "--mean with a value for each channel")
        raise ValueError(f"a mean image covers images of its own size only; {how} takes its pixel")


def require_place(destination: Path, source: Path) -> None:
    """Require a file of a form that maps go to, which is not the image."""
    if destination.suffix.lower() not in (".tif", ".tiff", ".npy"):
        raise ValueError(f"the map goes to a .tif or a .npy. Received: {destination}")
    if os.path.realpath(destination) == os.path.realpath(source):
        raise ValueError(f"the map would be written over the image {source}; name another file")


def fingerprint(model: Any, tile: tuple[int, int]) -> str:
    """What tells a model from others: its layers and weights, or what it gives for noise."""
    digest = hashlib.sha256()
    if isinstance(model, InferenceModel):
        channels = model.inputs[0].shape[-1]
        noise = np.random.default_rng(0).uniform(-100, 100, (1, *tile, channels or 1))
        digest.update(f"{model.engine} {model.precision}".encode())
        digest.update(np.ascontiguousarray(forward(model, noise.astype(np.float32))).tobytes())
        return digest.hexdigest()
    import keras

    digest.update(model.to_json().encode())
    for variable in model.weights:
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes())
    return digest.hexdigest()
