"""Whole pictures of a data set, each prepared for a network as `keras_fcn.segment` does it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from keras_fcn.datasets.ready import fit_ready, model_or_no_preprocessing, ready_preprocessing
from keras_fcn.datasets.sources import PAIR_ERRORS, Pair
from keras_fcn.inference.ordered import in_order
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.images import fit_channels

if TYPE_CHECKING:
    import keras

    from keras_fcn.datasets.labelled import LabelledImages

__all__ = ["Picture", "whole_pictures"]


class Picture(NamedTuple):
    """A picture and its mask.

    Attributes:
        pair: where it is from.
        image: (H, W, channels) as read, with the network's channels.
        mask: (H, W), class indices and the ignore index; or the label of the whole, without axes.
        preprocessing: what prepares it for the network.
        prepared: the image, prepared.
    """

    pair: Pair
    image: np.ndarray
    mask: np.ndarray
    preprocessing: Preprocessing
    prepared: np.ndarray


def whole_pictures(
    dataset: LabelledImages,
    model: keras.Model,
    *,
    size: tuple[int, int] | None = None,
    on_error: str = "stop",
    shard: tuple[int, int] = (0, 1),
) -> Iterator[Picture]:
    """The pictures of a data set in order, read ahead; masks keep their own size.

    Args:
        dataset: images and masks.
        model: what the images are for.
        size: (height, width) images are brought to; None for the preprocessing's.
        on_error: `"stop"` or `"skip"`, see `LabelledImages.to_tf`.
        shard: (index, count) of this worker, which gets every `count`-th picture.

    Raises:
        ValueError: a pair that cannot be used, or a model without preprocessing.
    """
    own = model_or_no_preprocessing(dataset, model)
    if size is not None:
        own = dataclasses.replace(own, size=size)
    ready = ready_preprocessing(dataset, model, own.channels)
    ready = dataclasses.replace(ready, size=own.size, crop=own.crop)

    def read(index: int) -> Picture | Exception:
        pair = dataset.pairs[index]
        try:
            image, mask = dataset.read(index)
            image = (fit_ready if pair.ready else fit_channels)(image, own.channels)
            way = ready if pair.ready else own
            return Picture(pair, image, np.asarray(mask), way, way(image))
        except PAIR_ERRORS as error:
            return error

    indices = range(shard[0], len(dataset), shard[1])
    for index, found in zip(indices, in_order(read, indices), strict=True):
        if isinstance(found, Exception):
            dataset.reject(index, found, on_error)
        else:
            yield found
