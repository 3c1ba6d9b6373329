"""A model on a data set: the confusion of its classes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.datasets import LabelledImages
from keras_fcn.datasets.whole import Picture, whole_pictures
from keras_fcn.surgery.losses import without_losses
from keras_fcn.training.class_results import Result
from keras_fcn.training.classes import in_classes_of
from keras_fcn.training.config import TrainingConfig
from keras_fcn.training.objective import main_head
from keras_fcn.training.progress import Display
from keras_fcn.training.runtime.choice import current_runtime
from keras_fcn.training.runtime.interface import Runtime
from keras_fcn.training.tallies import ImageTally, PixelTally, Tally

__all__ = ["Evaluator", "evaluate"]


def evaluate(
    model: keras.Model,
    dataset: LabelledImages,
    *,
    batch_size: int = 1,
    size: tuple[int, int] | None = None,
    on_bad_pair: str = "stop",
    verbose: bool = False,
) -> Result:
    """Compares what `keras_fcn.segment` says of whole images with the labels of every pixel.

    Of images with one label each it compares what `keras_fcn.classify` says with the labels.

    Masks count at their own size, whatever size the network sees the images
    at. Images of a size that the network cannot take, and those of a model with tiles, are given
    to it as by `keras_fcn.segment`.

    Args:
        model: a network that knows its preprocessing and gives a map of class scores, or, for
            images with one label each, a vector of them.
        dataset: what it is compared with, with as many classes as the network has. Labels of
            whole images are found among the network's classes by their names, where both have
            these.
        batch_size: images of a pass, as far as they follow each other with one size.
        size: (height, width) images are brought to first; None for the preprocessing's.
        on_bad_pair: `"stop"` or `"skip"`.
        verbose: shows progress on the terminal.

    Raises:
        ValueError: a bad pair, or a model that does not give scores of the classes.
    """
    config = TrainingConfig(size=size, on_bad_pair=on_bad_pair, batch_size=batch_size)
    model = without_losses(model)
    dataset = in_classes_of(model, dataset)
    evaluator = Evaluator(model, dataset, config, current_runtime())
    return evaluator(Display(verbose))[0]


class Evaluator:
    """Evaluates a model on the same data again and again; several workers share the data.

    Args:
        model: the network.
        dataset: what it is compared with.
        config: `size`, `on_bad_pair` and `batch_size`, and the loss.
        runtime: what computes, and the workers.
    """

    def __init__(
        self,
        model: keras.Model,
        dataset: LabelledImages,
        config: TrainingConfig,
        runtime: Runtime,
    ) -> None:
        self._model = model
        self._dataset = dataset
        self._config = config
        self._runtime = runtime
        of_pixels = dataset.of_pixels
        self._head = main_head(model, dataset.ignore_index, config, of_pixels=of_pixels)
        self._tally: type[Tally] = PixelTally if of_pixels else ImageTally
        classes = len(dataset.classes)
        if self._head.tensor.shape[-1] != classes:
            raise ValueError(
                f"the network must score the {classes} classes of {dataset.name}. "
                f"Received: {model.name!r} with {self._head.tensor.shape[-1]}"
            )
        net = keras.Model(model.inputs, [model.outputs[0], self._head.tensor])

        def passed(images: Any) -> Any:
            outputs = net(images, training=False)
            return ops.concatenate([ops.cast(x, "float32") for x in outputs], -1)

        compiled = runtime.compiled(passed, net.variables)

        def forward(images: np.ndarray) -> np.ndarray:
            found: np.ndarray = ops.convert_to_numpy(compiled(np.asarray(images, np.float32)))
            return found

        self._forward = forward

    def __call__(self, display: Display) -> tuple[Result, float]:
        """The figures, and the loss without class weights."""
        tally = self._tally(self._model, self._head, self._dataset)
        sums = np.zeros((len(self._head.losses), 2))
        share = self._runtime.worker, self._runtime.workers
        pictures = whole_pictures(
            self._dataset,
            self._model,
            size=self._config.size,
            on_error=self._config.on_bad_pair,
            shard=share,
        )
        with display.counting(len(self._dataset)) as advance:
            for batch in _of_one_size(pictures, self._config.batch_size):
                sums += tally.add(batch, self._forward)
                advance(len(batch))
        totals, divisors = self._runtime.total(sums).T
        factors = [term.factor for term in self._head.losses]
        loss = factors @ (totals / divisors) if divisors.all() else math.nan
        return tally.result(self._runtime), float(loss)


def _of_one_size(pictures: Iterator[Picture], most: int) -> Iterator[list[Picture]]:
    """Batches of pictures that follow each other with one size."""
    for _, group in itertools.groupby(pictures, lambda picture: picture.prepared.shape):
        while batch := list(itertools.islice(group, most)):
            yield batch
