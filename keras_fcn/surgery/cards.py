"""A model that is told what it is for: how images are prepared, and what its outputs stand for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from operator import index
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_fcn.core.card import card_of
from keras_fcn.core.model import CaffeFunctional, CaffeSequential
from keras_fcn.errors import ModelError
from keras_fcn.graph.calls import check_graph
from keras_fcn.graph.ends import class_count
from keras_fcn.layers import DetectionOutput
from keras_fcn.layers.known import is_trusted
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.classes import Classes
from keras_fcn.preprocessing.labels import numbered_classes, read_labels
from keras_fcn.preprocessing.tiles import Tiles
from keras_fcn.preprocessing.told_means import Option

__all__ = ["of_this_package", "tell", "with_card"]

_SCORED = ("", "classes", "map", "detections")


def with_card(
    model: keras.Model,
    *,
    preprocessing: Preprocessing | None = None,
    classes: int | str | Sequence[str] | Classes | None = None,
    palette: Any = None,
    ignore: int | None = None,
    tiles: Tiles | None = None,
    size: tuple[int, int] | None = None,
    task: str | None = None,
) -> keras.Model:
    """A model that knows what it is for; of any functional or sequential model of Keras.

    The new model has the given one's layers and weights, so that training one trains the other,
    and its name; it is not compiled. The given one stays as it is. What the new one knows is
    saved with it, and used by `keras_fcn.predict`, `keras_fcn.segment`, training and exports.

    Args:
        model: a functional model, or a sequential one that is built.
        preprocessing: how images are prepared.
        classes: names of the classes, in the order of the outputs; or a `Classes`; a file of names,
            see `keras_fcn.preprocessing.labels.read_labels`; the name of a data set
            (`"pascal_voc"`); or how many there are, without names.
        palette: colours of the classes, whole numbers 0..255, (classes, 3), RGB.
        ignore: the label of pixels that belong to no class.
        tiles: how large images are cut up.
        size: (height, width) that images are resized to where a classifier or a detector takes
            any size.
        task: what the model is for, one of `keras_fcn.core.card.TASKS`, where its layers do not
            tell, or tell wrongly; `""` lets them tell again.

    Returns:
        A model of this package. What is not given it keeps from the given model's card.

    Raises:
        ModelError: (a `ValueError`) the model is subclassed, or not built.
        TypeError: an argument of another kind.
        ValueError: what is told does not fit the inputs or outputs of the model;
            `keras_fcn.replace_head` gives it other classes.

    Example:
        ```python
        model = keras_fcn.with_card(
            keras.models.load_model("own.keras"),
            preprocessing=keras_fcn.Preprocessing(mean=(104, 117, 123)),
            classes=["background", "road"],
            palette=[[0, 0, 0], [128, 64, 128]],
        )
        keras_fcn.segment(model, "street.jpg")
        ```
    """
    new = _copied(model)
    tell(
        new,
        classes=classes,
        palette=palette,
        ignore=ignore,
        preprocessing=preprocessing,
        tiles=tiles,
        size=size,
        task=task,
    )
    return new


def of_this_package(model: keras.Model) -> keras.Model:
    """The model, where it is one of this package; else one of its layers, which has a card.

    Raises:
        ModelError: the model is subclassed, or not built.
        TypeError: it is no model of Keras.
    """
    return model if isinstance(model, CaffeFunctional | CaffeSequential) else _copied(model)


def _copied(model: keras.Model) -> keras.Model:
    """A model of this package, of the same layers, with the same card.

    Raises:
        ModelError: the model is subclassed, or not built.
        TypeError: it is no model of Keras.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a keras.Model. Received: {model!r}")
    kind = type(model)
    if not getattr(model, "outputs", None):
        raise ModelError(
            "a model knows what it is for where its layers are known: make it functional, "
            "keras.Model(inputs, outputs), or build a Sequential by a keras.Input. "
            f"Received: {kind.__name__} {model.name!r}"
        )
    check_graph(model)
    if not is_trusted(kind):
        raise ModelError(
            "a subclassed model computes what its own methods say; give what its layers compute, "
            f"keras.Model(model.inputs, model.outputs). Received: {kind.__name__} {model.name!r}"
        )
    if isinstance(model, keras.Sequential):
        (x,) = model.inputs
        start = keras.layers.InputLayer(batch_shape=x.shape, dtype=x.dtype, name=x.name)
        new: Any = CaffeSequential([start, *model.layers], name=model.name)
    else:
        new = CaffeFunctional(model.input, model.output, name=model.name)
    new.card = card_of(model)
    return new


def tell(
    model: keras.Model,
    *,
    classes: Any = None,
    palette: Any = None,
    ignore: int | None = None,
    option: Option = str,
    **fields: Any,
) -> None:
    """Let a model of this package know more; arguments and errors as for `with_card`.

    Args:
        model: what is told.
        classes: see `with_card`.
        palette: see `with_card`.
        ignore: see `with_card`.
        option: what messages call an argument.
        **fields: of the card; None leaves what the model knows.
    """
    told = {name: value for name, value in fields.items() if value is not None}
    card = dataclasses.replace(card_of(model), **told)
    if any(value is not None for value in (classes, palette, ignore)):
        named = _classes(model, card.task, classes, palette, ignore, option)
        card = dataclasses.replace(card, classes=named)
    if {"preprocessing", "tiles", "size"} & told.keys():
        _check_images(model, told, card.tiles, option)
    model.card = card


def _classes(
    model: keras.Model, task: str, classes: Any, palette: Any, ignore: int | None, option: Option
) -> Classes | None:
    """The classes that a model is told, checked against its outputs."""
    scored = class_count(model) if task in _SCORED else None
    named = _named(classes, option)
    count = named if isinstance(named, int) else len(named) if named is not None else scored
    if scored is not None and count not in (None, scored):
        detects = isinstance(model.layers[-1], DetectionOutput)
        raise ValueError(
            f"{option('classes')} must name each of the {scored} classes that the model tells "
            f"apart{', the background too' if detects else ''}. "
            f"Received: {count} for {model.name!r}"
        )
    own = card_of(model).classes if classes is None else named
    if not isinstance(own, Classes):
        if palette is None and ignore is None:
            return None
        rows = count if palette is None or count is not None else len(palette)
        own = Classes(numbered_classes(rows or 0))
    if palette is not None:
        if np.shape(palette) != (len(own), 3):
            raise ValueError(
                f"{option('palette')} must be a colour for each of the {len(own)} classes, "
                f"({len(own)}, 3). Received: {np.shape(palette)}"
            )
        own = dataclasses.replace(own, palette=palette)
    return own if ignore is None else dataclasses.replace(own, ignore=index(ignore))


def _named(classes: Any, option: Option) -> Classes | int | None:
    """Classes, or how many there are."""
    if classes is None or isinstance(classes, Classes):
        return classes
    if isinstance(classes, str):
        return Classes(read_labels(classes)) if Path(classes).is_file() else Classes.of(classes)
    if isinstance(classes, Iterable):
        return Classes(tuple(classes))
    try:
        return index(classes)
    except TypeError:
        raise TypeError(
            f"{option('classes')} must be names, a Classes, the name of a data set or a number. "
            f"Received: {classes!r}"
        ) from None


def _check_images(
    model: keras.Model, told: dict[str, Any], tiles: Tiles | None, option: Option
) -> None:
    """Require that images, prepared as told, fit the inputs that take some."""
    own: Preprocessing | None = told.get("preprocessing")
    images = [tensor for tensor in model.inputs if len(tensor.shape) == 4]
    if not images:
        raise ValueError(
            f"{', '.join(map(option, told))}: for a model that takes images. "
            f"Received: {model.name!r} of {[tuple(x.shape) for x in model.inputs]}"
        )
    if own is not None:
        takes = [tensor.shape[-1] for tensor in images]
        images = [x for x in images if x.shape[-1] in (None, own.channels)]
        if not images:
            raise ValueError(
                f"{option('preprocessing')} must give the {takes[0]} channels that "
                f"{model.name!r} takes. Received: channels={own.channels}"
            )
    sizes = {
        "preprocessing": None if own is None or tiles else own.crop or own.size,
        "tiles": None if "tiles" not in told else told["tiles"].size,
        "size": told.get("size"),
    }
    for tensor in images:
        fixed = None if None in tensor.shape[1:3] else tuple(tensor.shape[1:3])
        for name, asked in sizes.items():
            if fixed is not None and asked not in (None, fixed):
                raise ValueError(
                    "{} must give input {!r} its {}x{}. Received: {}x{}".format(
                        option(name), tensor.name, *fixed, *asked
                    )
                )
        window = sizes["preprocessing"] or fixed
        if own is not None and window is not None and not tiles:
            own.mean_at(window)  # a mean image covers what it is subtracted from
