"""From an image to a label for each of its pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_fcn.caffe.words import either, quoted
from keras_fcn.cards.card import card_of
from keras_fcn.inference.assumed_names import assumed_names
from keras_fcn.inference.averaging import averaging, told_scales
from keras_fcn.inference.blending import Blend, blend_of
from keras_fcn.inference.exact_tiles import Tile, in_tiles
from keras_fcn.inference.jobs import Job, answers
from keras_fcn.inference.optimized import structure_of
from keras_fcn.inference.prediction import (
    fitted_to,
    forward,
    model_preprocessing,
    require_numbers,
    require_one_image,
    sized,
)
from keras_fcn.inference.score_maps import Placed, ScoreMap, best_at, map_scores
from keras_fcn.inference.structure import ends_in_labels
from keras_fcn.inference.tasks import find_task, wrong_task
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.data_sets import DataSet, data_set
from keras_fcn.preprocessing.labels import class_names

if TYPE_CHECKING:
    import keras

_MOST_CLASSES = 256


def segment(
    model: keras.Model,
    images: Any,
    *,
    preprocessing: Preprocessing | None = None,
    skip_bad: bool = False,
    tile: Tile = None,
    scales: float | Sequence[float] = (1,),
    flip: bool = False,
    approximate: bool = False,
    overlap: int | None = None,
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
        tile: the largest (height, width) of what the network is given at once, see
            `keras_fcn.predict`.
        scales: sizes of the image, as factors, one or several, whose scores are averaged at its
            pixels, as the network gives them: probabilities of one that ends in a softmax.
        flip: whether each size is passed mirrored too.
        approximate: whether tiles may be blended, see `keras_fcn.predict`. Each pixel's label is
            the best class of the blended scores; labels that the network gives itself are those of
            the tile that has most weight.
        overlap: pixels that such tiles have in common at least, see there.

    Returns:
        For one image uint8 (H, W), the image's size; of more than 256 classes uint16. For
        several a list of these, in their order.

    Raises:
        ValueError: the model gives no map, or an image cannot be read or does not fit.
        ModelError: a layer gives something else on tiles than on the whole image.
    """
    own = preprocessing or model_preprocessing(model)
    job = segmenting(model, own, tile, scales, flip, blend_of(approximate, overlap))
    return answers(job, images, skip_bad)


def segmenting(
    model: keras.Model,
    preprocessing: Preprocessing,
    tile: Tile = None,
    scales: float | Sequence[float] = (1,),
    flip: bool = False,
    blend: Blend | None = None,
) -> Job:
    """The job of `segment`."""
    require_map(model)
    run = in_tiles(model, lambda batch: forward(model, batch), tile, blend)
    scales = told_scales(scales)
    if flip or scales != (1,):
        if blend is not None and None not in model.inputs[0].shape[1:3]:
            raise ValueError(
                f"{quoted('approximate')} of {model.name!r}, which takes images of one size, is "
                f"without {quoted('scales')} and {quoted('flip')}"
            )
        return averaging(model, run, sized(preprocessing, model), scales, flip)

    def fitting(pixels: np.ndarray) -> Preprocessing:
        return fitted_to(model, preprocessing, blend, pixels.shape[:2])

    def infer_many(prepared: np.ndarray) -> list[ScoreMap]:
        return map_scores(model, run, prepared)

    def infer(prepared: np.ndarray) -> ScoreMap:
        (found,) = infer_many(prepared[np.newaxis])
        return found

    def answer(found: ScoreMap, pixels: np.ndarray) -> np.ndarray:
        require_numbers(model, found.scores)
        return image_labels(model, found, pixels.shape[:2], fitting(pixels))

    def prepare(pixels: np.ndarray) -> np.ndarray:
        return fitting(pixels)(pixels)

    return Job(preprocessing.channels, prepare, infer, answer, infer_many, is_map=True)


def require_map(model: keras.Model) -> None:
    """Require a model of one image that gives a map of scores or of labels.

    Raises:
        ValueError: it gives something else.
    """
    task = find_task(model)
    if task.kind not in ("map", "classes"):
        raise wrong_task("map", task, model)
    if task.kind == "classes":
        is_cell = len(model.outputs[0].shape) == 4
        what = "its output is one cell for the whole image" if is_cell else "it classifies"
        cast = either("to_fully_convolutional", "keras-fcn export --fully-convolutional")
        raise ValueError(
            "segment is for networks that give a map of classes (rows, columns, classes), and "
            f"{what}; a classifier is cast to such a network by {cast}. "
            f"Received: {tuple(model.outputs[0].shape)} from {model.name!r}"
        )
    require_one_image(model)


def image_labels(
    model: keras.Model, found: ScoreMap, pixels: tuple[int, int], preprocessing: Preprocessing
) -> np.ndarray:
    """The best class of each pixel of an image, by the map of the prepared image.

    Args:
        model: what gave the map.
        found: its output.
        pixels: (height, width) of the image before preparation.
        preprocessing: how it was prepared.

    Returns:
        As `segment`.
    """
    labels = labels_at(model, found.scores, *found.places(pixels, preprocessing))
    dtype = np.uint8 if labels.max() < _MOST_CLASSES else np.uint16
    return np.asarray(labels, dtype)


def labels_at(
    model: keras.Model, scores: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Labels at fractional positions of a map (rows, columns, classes or 1)."""
    if not ends_in_labels(structure_of(model)):
        return best_at(Placed(scores, rows, columns))
    places = zip((rows, columns), scores.shape, strict=False)
    nearest = [np.clip(np.rint(axis), 0, cells - 1).astype(np.intp) for axis, cells in places]
    return np.asarray(scores[np.ix_(*nearest)][..., 0])


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
    if names is None:
        names = assumed_names(model, count)
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
