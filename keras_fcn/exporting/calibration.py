"""Pictures that a network's numbers are measured on before they become 8-bit ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.words import quoted
from keras_fcn.inference.jobs import Job, results
from keras_fcn.inference.pictures import Picture, is_one, pictures
from keras_fcn.inference.prediction import model_preprocessing, model_tiles, sized
from keras_fcn.inference.score_maps import fitted
from keras_fcn.inference.tasks import find_task

__all__ = ["MOST", "Calibration"]

Array = npt.NDArray[Any]
MOST = 100
"""Pictures that are looked at; more tell little that is new."""


class Calibration:
    """What a network is given of some pictures, over and over in one order.

    Args:
        model: a network that takes one batch of images, and knows how they are prepared.
        images: the first `MOST` count; of a folder or a pattern they come by name. For the forms
            see `keras_fcn.segment`.
        size: (height, width) of the network's input, where it is not the model's own.

    Raises:
        ValueError: the model takes something else, or the images are of no such form.
    """

    def __init__(self, model: keras.Model, images: Any, size: tuple[int, int] | None) -> None:
        if len(model.inputs) != 1:
            raise ValueError(
                f"{quoted('calibration')} is for a network that takes one batch of images. "
                f"Received: {model.name!r} with inputs {[x.name for x in model.inputs]}"
            )
        own = model_preprocessing(model)
        self._preprocessing = own if size is None else sized(own, model, size)
        self._model = model
        found: list[Picture] = list(islice(pictures(images), MOST + 1))
        self._pictures = found[:MOST]
        self._left = len(found) > MOST
        self._where = f" of {images}" if isinstance(images, str | Path) else ""
        self._by_name = not is_one(images) and os.path.isdir(images if self._where else "")

    def __str__(self) -> str:
        count = len(self._pictures)
        text = "1 picture" if count == 1 else f"{count} pictures"
        order = ", by name" if self._by_name else ""
        return f"{'the first ' if self._left else ''}{text}{self._where}{order}"

    def __iter__(self) -> Iterator[Array]:
        """What the network is given, (1, height, width, channels) each.

        Raises:
            CaffeError, ValueError: a picture cannot be read, or does not fit.
        """
        own = self._preprocessing
        job = Job(own.channels, own, lambda x: x[np.newaxis], lambda x, _: x)
        for result in results(job, self._pictures):
            if isinstance(result.error, OSError):
                raise CaffeError(f"{result.name}: {result.error.strerror}") from result.error
            if result.error is not None:
                raise result.error
            yield from self._cut(result.answer)

    def _cut(self, image: Array) -> Iterator[Array]:
        tiles = model_tiles(self._model)
        if tiles is not None:
            for row in tiles.cut(image):
                yield from row
        elif find_task(self._model).kind in ("map", "keypoints"):
            yield fitted(self._model, image)
        else:
            yield image
