"""From an image to a label for each of its pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_fcn.core.card import card_of
from keras_fcn.graph.receptive_fields import output_field
from keras_fcn.inference.jobs import Job, answers
from keras_fcn.inference.prediction import model_preprocessing, model_tiles, predict, sized
from keras_fcn.inference.tasks import find_task, wrong_task
from keras_fcn.layers.argmax import ArgMax
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.data_sets import DataSet, data_set
from keras_fcn.preprocessing.labels import class_names
from keras_fcn.preprocessing.resampling import half_pixel, resample

_MOST_CLASSES = 256


def segment(
    model: keras.Model,
    images: Any,
    *,
    preprocessing: Preprocessing | None = None,
    skip_bad: bool = False,
) -> Any:
    """The best class of each pixel of images.

    Scores of a map coarser than the image are interpolated between the centres of what its
    positions see, before the best is taken; labels that the network gives itself (SegNet's ArgMax)
    are repeated.

    Args:
        model: a network whose output is a map of class scores, or of labels.
        images: a file, a folder, a pattern such as `"photos/*.jpg"`, a Pillow image, pixels
            (H, W, channels) or (H, W), RGB, uint8 0..255 or floats 0..1; or a batch of these, a
            list, a generator.
        preprocessing: how images are prepared; None for the model's own.
        skip_bad: None stands in the place of a picture of several that cannot be read, and a
            warning names it.

    Returns:
        For one image uint8 (H, W), the image's size; of more than 256 classes uint16. For
        several a list of these, in their order.

    Raises:
        ValueError: the model gives no map, or an image cannot be read or does not fit.
    """
    job = segmenting(model, preprocessing or model_preprocessing(model))
    return answers(job, images, skip_bad)


def segmenting(model: keras.Model, preprocessing: Preprocessing) -> Job:
    """The job of `segment`."""
    task = find_task(model)
    if task.kind not in ("map", "classes"):
        raise wrong_task("map", task, model)
    if task.kind == "classes" and len(model.outputs[0].shape) == 4:
        raise ValueError(
            "segment is for networks that give a map of classes (rows, columns, classes); its "
            "output is one cell for the whole image. A classifier is cast to a map by "
            f"to_fully_convolutional. Received: {model.outputs[0].shape} from {model.name!r}"
        )
    preprocessing = sized(preprocessing, model)

    def infer(pixels: np.ndarray) -> np.ndarray:
        scores = predict(model, pixels, preprocessing=preprocessing)
        if scores.ndim != 3:
            raise ValueError(
                "segment is for networks that give a map of classes (rows, columns, classes); a "
                "classifier is cast to one by to_fully_convolutional. "
                f"Received: {scores.shape} from {model.name!r}"
            )
        return _labels(model, scores, pixels.shape[:2], preprocessing)

    return Job(preprocessing.channels, lambda pixels: pixels, infer, lambda labels, _: labels)


def _labels(
    model: keras.Model,
    scores: np.ndarray,
    pixels: tuple[int, int],
    preprocessing: Preprocessing,
) -> np.ndarray:
    rows, columns = map_positions(model, scores.shape[:2], pixels, preprocessing)
    if isinstance(model.layers[-1], ArgMax):
        labels = scores[
            _nearest(rows, len(scores))[:, np.newaxis], _nearest(columns, scores.shape[1]), 0
        ]
    else:
        labels = resample(scores, rows, columns).argmax(axis=-1)
    dtype = np.uint8 if labels.max() < _MOST_CLASSES else np.uint16
    return np.asarray(labels, dtype)


def map_positions(
    model: keras.Model,
    cells: tuple[int, int],
    pixels: tuple[int, int],
    preprocessing: Preprocessing,
) -> list[np.ndarray]:
    """Positions of the image's rows and columns on the feature map, in map positions.

    By the centres of what the positions see; where these are not known, and on maps as fine as
    the image, the positions share it evenly.
    """
    size = preprocessing.size or pixels
    crop = preprocessing.crop or size
    coarse = model_tiles(model) is None and cells[0] < crop[0]
    field = output_field(model) if coarse else None
    if field is None:
        return [half_pixel(*lengths) for lengths in zip(cells, pixels, strict=True)]
    return [
        (half_pixel(whole, length) - (whole - part) // 2 - offset) / stride
        for whole, part, length, offset, stride in zip(
            size, crop, pixels, field.offset, field.stride, strict=True
        )
    ]


def _nearest(positions: np.ndarray, cells: int) -> np.ndarray:
    return np.asarray(np.clip(np.rint(positions), 0, cells - 1), np.intp)


def label_classes(
    model: keras.Model,
    labels: np.ndarray,
    names: Sequence[str] | None = None,
    *,
    option: Callable[[str], str] = str,
) -> tuple[str, ...]:
    """A name for each class that labels of a model may have.

    Args:
        model: what gave them; its card's classes are taken, where they are enough.
        labels: of `segment`.
        names: those of the user, which go before.
        option: what messages call an argument.

    Raises:
        ValueError: another number of `names` than of classes.
    """
    count = max(model.outputs[0].shape[-1] or 1, int(labels.max()) + 1)
    own = card_of(model).classes
    if names is None and own is not None and len(own) >= count:
        return own.names
    return class_names(names, count, option=option)


def shares(labels: np.ndarray) -> list[tuple[int, float]]:
    """Share of the image of each class that is there, (class, share), largest first."""
    counts = np.bincount(labels.reshape(-1))
    order = np.argsort(-counts, kind="stable")
    return [(int(index), counts[index] / labels.size) for index in order if counts[index]]


def model_data_set(model: keras.Model) -> DataSet | None:
    """The known data set of the classes that a model carries; None where it has none."""
    classes = card_of(model).classes
    return None if classes is None or not classes.dataset else data_set(classes.dataset)
