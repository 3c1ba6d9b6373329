"""From images to the classes that they show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_fcn.cards.card import card_of
from keras_fcn.inference.assumed_names import assumed_names
from keras_fcn.inference.decoding import decode_predictions
from keras_fcn.inference.jobs import Job, answers
from keras_fcn.inference.prediction import (
    forward,
    model_preprocessing,
    model_tiles,
    predict_prepared,
    require_numbers,
    sized,
)
from keras_fcn.inference.tasks import find_task, wrong_task
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.labels import class_names, told_names

if TYPE_CHECKING:
    import keras

__all__ = ["classify", "classifying"]


def classify(
    model: keras.Model,
    images: Any,
    top: int = 5,
    *,
    classes: Sequence[str] | str | None = None,
    preprocessing: Preprocessing | None = None,
    size: tuple[int, int] | str | None = "model",
    skip_bad: bool = False,
) -> list[Any]:
    """The best classes of images.

    Args:
        model: a classifier.
        images: a file, a folder, a pattern such as `"photos/*.jpg"`, a Pillow image, pixels
            (H, W, channels), RGB, uint8 0..255 or floats 0..1; or a batch of these, a list,
            a generator.
        top: how many classes; all where there are fewer.
        classes: a name for each class, or where
            `keras_fcn.preprocessing.labels.read_labels` finds them; None for the card's,
            or ImageNet's for 1000 of a network that is called as a published one of ImageNet.
        preprocessing: how images are prepared; None for the model's own.
        size: as for `keras_fcn.predict`.
        skip_bad: None stands in the place of a picture of several that cannot be read, and a
            warning names it.

    Returns:
        For one image a list of dicts `{"label", "index", "score"}`, best first, of equal scores
        the lower index first. For several a list of such lists, in their order.

    Raises:
        ValueError: the model does not score classes of whole images, or an image cannot be read
            or does not fit.
    """
    preprocessing = preprocessing or model_preprocessing(model)
    return list(answers(classifying(model, preprocessing, size, top, classes), images, skip_bad))


def classifying(
    model: keras.Model,
    preprocessing: Preprocessing,
    size: tuple[int, int] | str | None = "model",
    top: int = 5,
    classes: Sequence[str] | str | None = None,
    *,
    also: int | None = None,
    option: Callable[[str], str] = str,
) -> Job:
    """The job of `classify`; `also` is a class that is told whether or not it is among the best."""
    task = find_task(model)
    if task.kind not in ("classes", "map"):
        raise wrong_task("classes", task, model)
    if top < 1:
        raise ValueError(f"{option('top')} must be at least 1. Received: {top}")
    preprocessing, named = sized(preprocessing, model, size), told_names(classes)

    def answer(scores: np.ndarray, _: np.ndarray) -> list[dict[str, Any]]:
        if scores.size != scores.shape[-1]:
            raise ValueError(
                "classify is for networks that give a score for each class of a whole image; here "
                "it is a map of {}x{} cells: segment labels every pixel, predict gives the scores. "
                "Received: {!r}".format(*scores.shape[:2], model.name)
            )
        require_numbers(model, scores)
        names = names_of(model, scores.size, named, option)
        (best,) = decode_predictions(scores.reshape(1, -1), len(names), names)
        told = best[:top] + [x for x in best[top:] if x.class_index == also]
        return [{"label": x.name, "index": x.class_index, "score": x.score} for x in told]

    def infer(prepared: np.ndarray) -> np.ndarray:
        return predict_prepared(model, prepared)

    def infer_many(prepared: np.ndarray) -> list[np.ndarray]:
        return list(forward(model, prepared))

    together = infer_many if task.kind == "classes" and model_tiles(model) is None else None
    return Job(preprocessing.channels, preprocessing, infer, answer, together)


def names_of(
    model: keras.Model, count: int, given: Sequence[str] | None, option: Callable[[str], str]
) -> tuple[str, ...]:
    """A name for each class: those given, else the card's, else assumed ones or numbers."""
    own = card_of(model).classes
    if given is None and own is not None and len(own) == count:
        return own.names
    if given is None:
        given = assumed_names(model, count)
    return class_names(given, count, option=option)
