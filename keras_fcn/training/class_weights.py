"""Weights that make rare classes count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_fcn.caffe.words import quoted
from keras_fcn.datasets import LabelledImages

__all__ = ["class_weights", "median_frequency_weights"]


def median_frequency_weights(dataset: LabelledImages, on_error: str = "stop") -> np.ndarray:
    """A weight a class: the median of the classes' frequencies, divided by the class's.

    A class's frequency is its pixels over all counted pixels of the images that it is in; where
    images have one label each, its share of the images. A class that is in no image has weight 1.

    Source: Eigen and Fergus, "Predicting Depth, Surface Normals and Semantic Labels with a Common
    Multi-Scale Convolutional Architecture", 2015, section 6.3.2; used by SegNet.

    Args:
        dataset: whose masks are read, all of them; the images are not.
        on_error: `"stop"` at a mask that cannot be read, or `"skip"` it.

    Returns:
        float32 `(classes,)`.

    Raises:
        ValueError: a mask cannot be read, or none has a class.
    """
    counts = dataset.class_counts(on_error)
    pixels = counts.sum(axis=0)
    beside = counts > 0 if dataset.of_pixels else np.ones_like(counts, bool)
    around = (beside * counts.sum(axis=1, keepdims=True)).sum(axis=0)
    there = pixels > 0
    if not there.any():
        raise ValueError(f"no mask has a pixel of a class. Received: {dataset.name}")
    frequencies = pixels[there] / around[there]
    weights = np.ones(len(dataset.classes), np.float32)
    weights[there] = np.median(frequencies) / frequencies
    return weights


def class_weights(
    train: LabelledImages, given: str | Sequence[float] | None, on_bad_pair: str
) -> Sequence[float] | None:
    """The weights that an option asks for.

    Args:
        train: the training data.
        given: `class_weights` of `TrainingConfig`.
        on_bad_pair: that of `TrainingConfig`.

    Raises:
        ValueError: not a number for each class, or a mask cannot be read.
    """
    if given is None:
        return None
    if given == "median_frequency":
        return list(map(float, median_frequency_weights(train, on_bad_pair)))
    if isinstance(given, str) or len(given) != len(train.classes):
        raise ValueError(
            f"{quoted('class_weights')} must be 'median_frequency' or "
            f"{len(train.classes)} numbers, one a class. Received: {given!r}"
        )
    return given
