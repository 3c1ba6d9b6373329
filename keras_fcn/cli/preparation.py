"""How images are prepared: the model's own way, changed by the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_fcn.caffe.blobs.means import read_mean as read_file
from keras_fcn.core.card import card_of
from keras_fcn.inference.prediction import model_size
from keras_fcn.preprocessing import Preprocessing

if TYPE_CHECKING:
    import keras

_MEAN_NAMES = ("ilsvrc_2012", "ilsvrc_2012_pixel")
_MEAN_FILES = (".binaryproto", ".npy")


def read_mean(text: str, channels: int | None = None) -> Any:
    """The value of ``--mean`` as :class:`keras_fcn.preprocessing.Preprocessing` takes it.

    Args:
        text: the command line's.
        channels: how many the network takes, by which the axes of a file are told apart.

    Raises:
        CaffeError: the file cannot be read, or does not fit.
        ValueError: the text is none of the forms.
    """
    if text == "none":
        return None
    if text in _MEAN_NAMES:
        return text
    if _is_file(text):
        return read_file(text, channels)
    try:
        return tuple(float(value) for value in text.split(","))
    except ValueError as error:
        raise ValueError(
            f"--mean is pixel values such as 104,117,123, a {' or '.join(_MEAN_FILES)} file, "
            f"{', '.join(_MEAN_NAMES)}, or none. Received: {text}"
        ) from error


def checked_mean(text: str) -> Any:
    """The value of ``--mean``; of a file its name, for :func:`prepare_as` to read.

    Raises:
        CaffeError: there is no such file.
        ValueError: the text is none of the forms.
    """
    return text if _is_file(text) and Path(text).is_file() else read_mean(text)


def _is_file(text: str) -> bool:
    return Path(text).suffix.lower() in _MEAN_FILES


def stored_mean(weights: str | None) -> np.ndarray | None:
    """The mean in a converted weights file, if there is one."""
    if weights is None or Path(weights).suffix not in (".h5", ".hdf5"):
        return None
    from keras_fcn.caffe.blobs.keras_hdf5 import WeightsFile

    with WeightsFile(weights) as file:
        return file.mean()


def prepare_as(
    model: keras.Model, changes: Mapping[str, Any], size: tuple[int, int] | str | None = None
) -> Preprocessing:
    """The preprocessing of a model's images.

    Args:
        model: a network over images.
        changes: options of Preprocessing that differ from the model's own. A mean
            image covers images of its own size only: a network that takes any size
            gets its mean pixel.
        size: (height, width) that images are resized to; a network that takes one size
            crops its input from them. ``"free"`` keeps each image's own. None for
            :func:`keras_fcn.inference.prediction.model_size`.

    Raises:
        CaffeError: the mean's file cannot be read, or does not fit.
        ValueError: the model takes no images, does not know how they are prepared while
            ``changes`` has no mean, or the options do not go together.
    """
    shapes = [tensor.shape for tensor in model.inputs]
    if [len(shape) for shape in shapes] != [4]:
        raise ValueError(f"the model must have one input of images. Received: inputs {shapes}")
    _, *spatial, channels = shapes[0]
    fixed = None if None in spatial else tuple(spatial)
    if size == "free" and fixed is not None:
        raise ValueError(
            "--size free is for a network that takes any size. Received: {} of {}x{}".format(
                model.name, *fixed
            )
        )
    own_size = model_size(model) if size is None else fixed
    options = {"channels": channels, **_own_options(model), **changes}
    if "mean" not in options:
        raise ValueError(
            "the model does not say which mean is subtracted from its images; give --mean, or "
            f"--mean none. Received: {model.name}"
        )
    if isinstance(options["mean"], str):
        options["mean"] = read_mean(options["mean"], channels)
    if isinstance(options["mean"], np.ndarray) and options["mean"].ndim == 3 and own_size is None:
        options["mean"] = options["mean"].mean(axis=(0, 1))
    if size == "free":
        options |= {"size": None, "crop": None}
    elif size is not None:
        options |= {"size": size, "crop": fixed}
    elif options.get("size") is None and options.get("crop") is None:
        options["size"] = own_size
    result = Preprocessing(**options)
    mean = result.mean_at((1, 1))
    if mean is not None and mean.max() > result.raw_scale:
        raise ValueError(
            "the mean is brighter than white; say what white is with --raw-scale. Received: "
            f"mean up to {mean.max():.4g}, raw scale {result.raw_scale:g}"
        )
    return result


def _own_options(model: keras.Model) -> dict[str, Any]:
    own = card_of(model).preprocessing
    if own is None:
        return {}
    return {field.name: getattr(own, field.name) for field in dataclasses.fields(own)}


def describe(preprocessing: Preprocessing) -> str:
    """What is done to an image, in one line."""
    orders = {1: "grey", 3: preprocessing.channel_order.upper()}
    order = orders.get(preprocessing.channels, f"{preprocessing.channels} channels")
    mean = preprocessing.mean_at((1, 1))
    steps = [
        preprocessing.size and "resized to {}x{}".format(*preprocessing.size),
        preprocessing.crop and "centre {}x{}".format(*preprocessing.crop),
        f"{order} 0..{preprocessing.raw_scale:g}",
        None if mean is None else f"less mean {_mean_text(preprocessing.mean)}",
        None if preprocessing.input_scale == 1 else f"times {preprocessing.input_scale:.6g}",
    ]
    return f"images: {', '.join(step for step in steps if step)}"


def describe_size(model: keras.Model, preprocessing: Preprocessing) -> str | None:
    """Which size images have and why, in one line; None where the model takes no other."""
    declared = card_of(model).size
    if declared is None or preprocessing.size not in (None, declared):
        return None
    text = "{}x{}".format(*declared)
    if preprocessing.size == declared and model_size(model) == declared:
        return f"size: {text}, as the prototxt declares; --size free keeps each image's own"
    if preprocessing.size is None and model_size(model) is None:
        return (
            f"size: each image's own, as the output is a map of it, not the prototxt's {text}; "
            f"--size {text} resizes"
        )
    return None


def _mean_text(mean: Any) -> str:
    if isinstance(mean, str):
        return mean
    if isinstance(mean, np.ndarray):
        return "image {}x{}".format(*mean.shape[:2])
    return f"({', '.join(f'{value:.4g}' for value in mean)})"
