"""Scores of an image averaged over several sizes of it, and over its mirror image.

Source: the evaluation of DeepLab (Chen et al., "Semantic Image Segmentation with Deep Convolutional
Nets and Fully Connected CRFs") and of PSPNet at several scales.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_fcn.caffe.words import quoted
from keras_fcn.cards.card import card_of
from keras_fcn.inference.jobs import Job
from keras_fcn.inference.optimized import structure_of
from keras_fcn.inference.prediction import require_numbers
from keras_fcn.inference.score_maps import Forward, Placed, ScoreMap, best_at, map_scores
from keras_fcn.inference.structure import ends_in_labels
from keras_fcn.preprocessing import Preprocessing

if TYPE_CHECKING:
    import keras

__all__ = ["averaging", "told_scales"]

_MOST_SCALES = 16


class _View(NamedTuple):
    """A size of an image, or the mirror image of it.

    Attributes:
        preprocessing: how it is prepared.
        mirrored: whether left and right are exchanged.
        prepared: what the network is given.
    """

    preprocessing: Preprocessing
    mirrored: bool
    prepared: np.ndarray


def averaging(
    model: keras.Model,
    run: Forward,
    preprocessing: Preprocessing,
    scales: Sequence[float],
    flip: bool,
) -> Job:
    """The job that labels pixels by the mean of several passes.

    Args:
        model: a network whose output is a map of class scores.
        run: its pass.
        preprocessing: how images are prepared at their first size.
        scales: the sizes, as factors of that.
        flip: whether each is passed mirrored too.

    Returns:
        A job whose answer is the best class of each pixel, (H, W).

    Raises:
        ValueError: the network gives labels, or takes images of one size; no factors.
    """
    _check(model, preprocessing, scales)

    def prepare(pixels: np.ndarray) -> list[_View]:
        height, width = preprocessing.sizes(pixels.shape[:2])[0]
        views = []
        for scale in scales:
            size = (max(1, round(height * scale)), max(1, round(width * scale)))
            own = preprocessing if scale == 1 else replace(preprocessing, size=size)
            images = [pixels, pixels[:, ::-1]] if flip else [pixels]
            views += [_View(own, bool(index), own(image)) for index, image in enumerate(images)]
        return views

    def infer(views: list[_View]) -> list[tuple[_View, ScoreMap]]:
        return [(view, map_scores(model, run, view.prepared[np.newaxis])[0]) for view in views]

    def answer(passes: list[tuple[_View, ScoreMap]], pixels: np.ndarray) -> np.ndarray:
        for _, found in passes:
            require_numbers(model, found.scores)
        return _best(passes, pixels.shape[:2])

    return Job(preprocessing.channels, prepare, infer, answer, is_map=True)


def _best(passes: Sequence[tuple[_View, ScoreMap]], pixels: tuple[int, int]) -> np.ndarray:
    """The best class by the sum of the passes."""
    maps = []
    for view, found in passes:
        rows, columns = found.places(pixels, view.preprocessing)
        maps.append(Placed(found.scores, rows, columns, view.mirrored))
    few = maps[0].scores.shape[-1] <= 256
    return best_at(*maps).astype(np.uint8 if few else np.uint16)


def told_scales(scales: Any) -> tuple[float, ...]:
    """Factors as they are told: one number, or several.

    Raises:
        ValueError: they are something else.
    """
    try:
        given = (scales,) if isinstance(scales, Real) else scales
        if not isinstance(scales, str) and all(isinstance(scale, Real) for scale in given):
            return tuple(map(float, given))
    except TypeError:
        pass
    raise ValueError(
        f"{quoted('scales')} are factors of the image's size, such as (0.75, 1, 1.25). "
        f"Received: {scales!r}"
    )


def _check(model: keras.Model, preprocessing: Preprocessing, scales: Sequence[float]) -> None:
    if not 0 < len(scales) <= _MOST_SCALES or not all(
        math.isfinite(scale) and 0 < scale <= _MOST_SCALES for scale in scales
    ):
        raise ValueError(
            f"{quoted('scales')} are 1 to {_MOST_SCALES} factors, each above 0 and at most "
            f"{_MOST_SCALES}. Received: {list(scales)}"
        )
    if ends_in_labels(structure_of(model)):
        raise ValueError(f"labels have no mean, and {model.name!r} gives labels, not scores")
    if all(scale == 1 for scale in scales):
        return
    why = ""
    if None not in model.inputs[0].shape[1:3] and card_of(model).tiles is None:
        why = f"{model.name!r} takes images of {model.inputs[0].shape[1:3]} alone"
    elif preprocessing.crop is not None:
        why = f"images of {model.name!r} are cropped to {preprocessing.crop}"
    elif np.ndim(preprocessing.mean) > 1:
        why = f"the mean image of {model.name!r} is for images of one size"
    if why:
        raise ValueError(f"{quoted('scales')} other than 1: {why}. Received: {list(scales)}")
