"""Preparation of images for a model: its own, but for what a user says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_fcn.cards.card import card_of
from keras_fcn.inference.assumed_names import assumed_names
from keras_fcn.inference.prediction import model_size
from keras_fcn.inference.tasks import find_task
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.told_means import Option, read_mean

if TYPE_CHECKING:
    import keras

__all__ = [
    "describe",
    "describe_all",
    "describe_size",
    "prepare_as",
    "read_mean",
]


def prepare_as(
    model: keras.Model,
    changes: Mapping[str, Any],
    size: tuple[int, int] | str | None = None,
    crop: tuple[int, int] | None = None,
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
        crop: (height, width) of the centre that is cut out then.
        option: what messages call an argument.

    Raises:
        CaffeError: the mean's file cannot be read, or does not fit.
        ValueError: the model takes no images, does not know how they are prepared while
            `changes` has no mean, or the options do not go together.
    """
    shapes = [tensor.shape for tensor in model.inputs]
    images = [shape for shape in shapes if len(shape) == 4]
    if len(images) != 1:
        raise ValueError(f"the model must have one input of images. Received: inputs {shapes}")
    ((_, *spatial, channels),) = images
    whole = None not in spatial and card_of(model).tiles is None  # tiles are cut of any image
    fixed = tuple(spatial) if whole else None
    if size == "free" and fixed is not None:
        raise ValueError(
            "{} free is for a network that takes any size. Received: {} of {}x{}".format(
                option("size"), model.name, *fixed
            )
        )
    if fixed is not None and crop not in (None, fixed):
        raise ValueError(
            "{} must be {}x{}, which {} takes. Received: {}x{}".format(
                option("crop"), *fixed, model.name, *crop
            )
        )
    own_size = model_size(model) if size is None else fixed
    options = {"channels": channels, **_own_options(model), **changes}
    if "mean" not in options:
        raise ValueError(
            "the model does not know how its images are prepared; give "
            f"{option('mean')}, or {option('mean')} none. Received: {model.name}"
        )
    if isinstance(options["mean"], str):
        options["mean"] = read_mean(options["mean"], channels, option=option)
    mean_image = isinstance(options["mean"], np.ndarray) and options["mean"].ndim == 3
    if mean_image and own_size is None and crop is None:
        options["mean"] = options["mean"].mean(axis=(0, 1))
    if size is not None:
        options |= {"size": None if size == "free" else size, "crop": crop or fixed}
    elif crop is not None:
        options["crop"] = crop
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


def describe_all(
    model: keras.Model,
    preprocessing: Preprocessing,
    changes: Mapping[str, Any],
    *,
    option: Option = str,
    names: bool = True,
) -> list[str]:
    """What is to be said of images that are prepared for a model as `prepare_as` tells.

    Args:
        model: as it was before it was told.
        preprocessing: of `prepare_as`.
        changes: what the user said.
        option: what messages call an argument.
        names: whether the network's classes are named.
    """
    assumed = _assumed(model, preprocessing, changes, option)
    scores = names and find_task(model).kind in ("classes", "map")
    if scores and assumed_names(model, model.outputs[0].shape[-1]) is not None:
        assumed.append(f"ImageNet's names of the classes ({option('labels')})")
    note = f"; assumed, as nothing says else: {', '.join(assumed)}" if assumed else ""
    size = describe_size(model, preprocessing, option=option)
    return [describe(preprocessing) + note, *([] if size is None else [size])]


def _assumed(
    model: keras.Model, preprocessing: Preprocessing, changes: Mapping[str, Any], option: Option
) -> list[str]:
    """What neither the model nor the user says of images, and the option that would."""
    if card_of(model).preprocessing is not None:
        return []
    shown = {
        "channel_order": (preprocessing.channel_order.upper(), "rgb"),
        "raw_scale": (f"white {preprocessing.raw_scale:g}", "raw_scale"),
        "input_scale": ("no factor", "input_scale"),
    }
    if preprocessing.channels != 3:
        del shown["channel_order"]
    return [
        f"{value} ({option(told)})" for name, (value, told) in shown.items() if name not in changes
    ]


def describe(preprocessing: Preprocessing) -> str:
    """Description of the preparation, in one line."""
    orders = {1: "grey", 3: preprocessing.channel_order.upper()}
    order = orders.get(preprocessing.channels, f"{preprocessing.channels} channels")
    mean = preprocessing.mean_at((1, 1))
    plain = preprocessing.interpolation == "bilinear"
    way = "" if plain else f" ({preprocessing.interpolation})"
    steps = [
        preprocessing.size and "resized to {}x{}{}".format(*preprocessing.size, way),
        preprocessing.crop and "centre {}x{}".format(*preprocessing.crop),
        f"{order} 0..{preprocessing.raw_scale:g}",
        None if mean is None else f"less {_mean_text(preprocessing)}",
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
        if find_task(model).kind == "boxes":
            from keras_fcn.inference.detectors import LONG_SIDE, SHORT_SIDE  # which load Keras

            return (
                f"size: unless {option('size')} says it, a short side of {SHORT_SIDE} pixels, but "
                f"at most {LONG_SIDE} for the long one"
            )
        return (
            f"size: each image's own, as the output is a map of it, not the prototxt's {text}; "
            f"{option('size')} {text} resizes"
        )
    return None


def _mean_text(preprocessing: Preprocessing) -> str:
    mean: Any = preprocessing.mean
    if isinstance(mean, str):
        return f"mean {mean}"
    if isinstance(mean, np.ndarray):
        covered = preprocessing.crop or preprocessing.size
        part = "" if covered in (None, mean.shape[:2]) else "the centre of "
        return part + "mean image {}x{}".format(*mean.shape[:2])
    return f"mean ({', '.join(f'{value:.4g}' for value in mean)})"
