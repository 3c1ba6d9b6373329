"""A model on a data set: the confusion of its classes."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf  # compiled passes

from keras_fcn.datasets import LabelledImages
from keras_fcn.datasets.whole import Picture, whole_pictures
from keras_fcn.inference.score_maps import ScoreMap, map_scores
from keras_fcn.inference.segmentation import image_labels
from keras_fcn.training.config import TrainingConfig
from keras_fcn.training.distribution import Distribution
from keras_fcn.training.metrics import SegmentationMetrics, SegmentationResult
from keras_fcn.training.objective import main_head
from keras_fcn.training.progress import Display

__all__ = ["Evaluator", "evaluate"]


def evaluate(
    model: keras.Model,
    dataset: LabelledImages,
    *,
    batch_size: int = 1,
    size: tuple[int, int] | None = None,
    on_bad_pair: str = "stop",
    verbose: bool = False,
) -> SegmentationResult:
    """Compares what `keras_fcn.segment` says of whole images with the labels of every pixel.

    The labels are those of the masks at their own size, whatever size the network sees the images
    at. Images of a size that the network cannot take, and those of a model with tiles, are given
    to it as by `keras_fcn.segment`.

    Args:
        model: a network that gives a map of class scores and knows its preprocessing.
        dataset: images and masks, with as many classes as the network has.
        batch_size: images of a pass, as far as they follow each other with one size.
        size: (height, width) images are brought to first; None for the preprocessing's.
        on_bad_pair: `"stop"` or `"skip"`.
        verbose: shows progress on the terminal.

    Raises:
        ValueError: a bad pair, or a model that does not give scores of the classes.
    """
    config = TrainingConfig(size=size, on_bad_pair=on_bad_pair, batch_size=batch_size)
    evaluator = Evaluator(model, dataset, config, Distribution(tf.distribute.get_strategy()))
    return evaluator(Display(verbose))[0]


class Evaluator:
    """Evaluates a model on the same data again and again; several workers share the data.

    Args:
        model: the network.
        dataset: what it is compared with.
        config: `size`, `on_bad_pair` and `batch_size`, and the loss.
        distribution: the workers.
    """

    def __init__(
        self,
        model: keras.Model,
        dataset: LabelledImages,
        config: TrainingConfig,
        distribution: Distribution,
    ) -> None:
        self._model = model
        self._dataset = dataset
        self._config = config
        self._distribution = distribution
        self._head = main_head(model, dataset.ignore_index, config)
        classes = len(dataset.classes)
        if self._head.tensor.shape[-1] != classes:
            raise ValueError(
                f"the network must score the {classes} classes of {dataset.name}. "
                f"Received: {model.name!r} with {self._head.tensor.shape[-1]}"
            )
        net = keras.Model(model.inputs, [model.outputs[0], self._head.tensor])

        def passed(images: Any) -> Any:
            return tf.concat([tf.cast(x, tf.float32) for x in net(images, training=False)], -1)

        compiled = tf.function(passed, autograph=False, reduce_retracing=True)
        self._forward = lambda images: compiled(tf.constant(images, tf.float32)).numpy()

    def __call__(self, display: Display) -> tuple[SegmentationResult, float]:
        """The figures, and the loss without class weights."""
        metrics = SegmentationMetrics(self._dataset.classes, self._dataset.ignore_index)
        sums = np.zeros((len(self._head.losses), 2))
        share = self._distribution.worker, self._distribution.workers
        pictures = whole_pictures(
            self._dataset,
            self._model,
            size=self._config.size,
            on_error=self._config.on_bad_pair,
            shard=share,
        )
        with display.counting(len(self._dataset)) as advance:
            for batch in _of_one_size(pictures, self._config.batch_size):
                prepared = np.stack([picture.prepared for picture in batch])
                maps = map_scores(self._model, self._forward, prepared)
                for picture, found in zip(batch, maps, strict=True):
                    sums += self._count(picture, found, metrics)
                advance(len(batch))
        totals, divisors = self._distribution.total(sums).T
        confusion = self._distribution.total(metrics.confusion)
        factors = [term.factor for term in self._head.losses]
        loss = factors @ (totals / divisors) if divisors.all() else math.nan
        return SegmentationResult(metrics.classes, confusion.round().astype("int64")), float(loss)

    def _count(self, picture: Picture, found: ScoreMap, metrics: SegmentationMetrics) -> np.ndarray:
        """Adds a picture's pixels; its losses and what divides them, (terms, 2)."""
        given = self._model.outputs[0].shape[-1] or 1
        said, scores = (
            dataclasses.replace(found, scores=part)
            for part in np.split(found.scores, [given], axis=-1)
        )
        pixels, way = picture.mask.shape, picture.preprocessing
        metrics.update(picture.mask, image_labels(self._model, said, pixels, way))
        labels, values = picture.mask, scores.scores
        if self._head.on_map:
            rows, columns = scores.pixels(pixels, way)
            labels = labels[np.ix_(rows, columns)].astype(np.int32)
            labels[(rows < 0)[:, np.newaxis] | (columns < 0)] = self._head.ignore_index
        else:
            values = scores.at_pixels(pixels, way)
        labels, values = labels[np.newaxis], values[np.newaxis]
        parts = [term.loss.parts(labels, values) for term in self._head.losses]
        return np.array([[float(number) for number in pair] for pair in parts])


def _of_one_size(pictures: Iterator[Picture], most: int) -> Iterator[list[Picture]]:
    """Batches of pictures that follow each other with one size."""
    for _, group in itertools.groupby(pictures, lambda picture: picture.prepared.shape):
        while batch := list(itertools.islice(group, most)):
            yield batch
