"""Preparation of images for a model: its own, but for what a user says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_fcn.core.card import card_of
from keras_fcn.inference.prediction import model_size
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.told_means import Option, read_mean, stored_mean

if TYPE_CHECKING:
    import keras

__all__ = ["describe", "describe_size", "prepare_as", "read_mean", "stored_mean"]


def prepare_as(
    model: keras.Model,
    changes: Mapping[str, Any],
    size: tuple[int, int] | str | None = None,
    *,
    option: Option = str,
) -> Preprocessing:
    """The preprocessing of a model's images.

    Args:
        model: a network over images.
        changes: options of Preprocessing that differ from the model's own. A mean
            image covers images of its own size only: a network that takes any size
            gets its mean pixel.
        size: (height, width) that images are resized to; a network that takes one size
            crops its input from them. `"free"` keeps each image's own. None for
            `keras_fcn.inference.prediction.model_size`.
        option: what messages call an argument.

    Raises:
        CaffeError: the mean's file cannot be read, or does not fit.
        ValueError: the model takes no images, does not know how they are prepared while
            `changes` has no mean, or the options do not go together.
    """
    shapes = [tensor.shape for tensor in model.inputs]
    if [len(shape) for shape in shapes] != [4]:
        raise ValueError(f"the model must have one input of images. Received: inputs {shapes}")
    _, *spatial, channels = shapes[0]
    fixed = None if None in spatial else tuple(spatial)
    if size == "free" and fixed is not None:
        raise ValueError(
            "{} free is for a network that takes any size. Received: {} of {}x{}".format(
                option("size"), model.name, *fixed
            )
        )
    own_size = model_size(model) if size is None else fixed
    options = {"channels": channels, **_own_options(model), **changes}
    if "mean" not in options:
        raise ValueError(
            "the model does not say which mean is subtracted from its images; give "
            f"{option('mean')}, or {option('mean')} none. Received: {model.name}"
        )
    if isinstance(options["mean"], str):
        options["mean"] = read_mean(options["mean"], channels, option=option)
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
            f"the mean is brighter than white; say what white is with {option('raw_scale')}. "
            f"Received: mean up to {mean.max():.4g}, raw scale {result.raw_scale:g}"
        )
    return result


def _own_options(model: keras.Model) -> dict[str, Any]:
    own = card_of(model).preprocessing
    if own is None:
        return {}
    return {field.name: getattr(own, field.name) for field in dataclasses.fields(own)}


def describe(preprocessing: Preprocessing) -> str:
    """Description of the preparation, in one line."""
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


def describe_size(
    model: keras.Model, preprocessing: Preprocessing, *, option: Option = str
) -> str | None:
    """Description of the images' size, in one line; None where the model takes no other."""
    declared = card_of(model).size
    if declared is None or preprocessing.size not in (None, declared):
        return None
    text = "{}x{}".format(*declared)
    if preprocessing.size == declared and model_size(model) == declared:
        return (
            f"size: {text}, as the prototxt declares; {option('size')} free keeps each image's own"
        )
    if preprocessing.size is None and model_size(model) is None:
        return (
            f"size: each image's own, as the output is a map of it, not the prototxt's {text}; "
            f"{option('size')} {text} resizes"
        )
    return None


def _mean_text(mean: Any) -> str:
    if isinstance(mean, str):
        return mean
    if isinstance(mean, np.ndarray):
        return "image {}x{}".format(*mean.shape[:2])
    return f"({', '.join(f'{value:.4g}' for value in mean)})"
