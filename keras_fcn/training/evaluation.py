"""A model on a data set: the confusion of its classes."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf  # compiled, over tf.data

from keras_fcn.datasets import SegmentationDataset
from keras_fcn.training.config import TrainingConfig
from keras_fcn.training.distribution import Distribution
from keras_fcn.training.metrics import SegmentationMetrics, SegmentationResult
from keras_fcn.training.objective import main_head
from keras_fcn.training.progress import Display

__all__ = ["Evaluator", "evaluate"]


def evaluate(
    model: keras.Model,
    dataset: SegmentationDataset,
    *,
    batch_size: int = 1,
    size: tuple[int, int] | None = None,
    on_bad_pair: str = "stop",
    verbose: bool = False,
) -> SegmentationResult:
    """Runs a model on whole images and compares what `keras_fcn.segment` says with the labels.

    The labels are those at the size that the network sees. Images of different sizes in one batch
    are filled up, which changes scores near the border; with one a batch nothing is.

    Args:
        model: a network that gives a map of class scores and knows its preprocessing.
        dataset: images and masks, with as many classes as the network has.
        batch_size: images of a batch.
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
        config: `size`, `on_bad_pair` and `batch_size` of the pipeline, and the loss.
        distribution: the workers.
    """

    def __init__(
        self,
        model: keras.Model,
        dataset: SegmentationDataset,
        config: TrainingConfig,
        distribution: Distribution,
    ) -> None:
        self._dataset = dataset
        self._distribution = distribution
        self._head = main_head(model, dataset.ignore_index, config)
        self._classes = len(dataset.classes)
        if self._head.tensor.shape[-1] != self._classes:
            raise ValueError(
                f"the network must score the {self._classes} classes of {dataset.name}. "
                f"Received: {model.name!r} with {self._head.tensor.shape[-1]}"
            )
        self._net = keras.Model(model.inputs, self._head.tensor)
        self._count = tf.function(self._counted, autograph=False, reduce_retracing=True)
        self._pipeline = dataset.to_tf(
            model,
            config.batch_size,
            size=config.size,
            shard=(distribution.worker, distribution.workers),
            on_error=config.on_bad_pair,
        )

    def __call__(self, display: Display) -> tuple[SegmentationResult, float]:
        """The figures, and the loss without class weights."""
        metrics = SegmentationMetrics(self._dataset.classes, self._dataset.ignore_index)
        sums = tf.zeros(2, tf.float64)
        with self._dataset.naming_bad_pairs(), display.counting(len(self._dataset)) as advance:
            for images, labels in self._pipeline:
                confusion, *parts = self._count(images, labels)
                metrics.add(confusion)
                sums += tf.cast(parts, tf.float64)
                advance(len(images))
        total, divisor = self._distribution.total(sums)
        confusion = self._distribution.total(metrics.confusion)
        loss = total / divisor if divisor else math.nan
        return SegmentationResult(metrics.classes, confusion.round().astype("int64")), float(loss)

    def _counted(self, images: Any, labels: Any) -> tuple[Any, Any, Any]:
        scores = self._net(images, training=False)
        part = self._head.part(labels, scores)
        best = self._head.best(scores, keras.ops.shape(labels)[1:3])
        counted = labels != self._head.loss.ignore_index
        confusion = tf.math.confusion_matrix(
            tf.boolean_mask(labels, counted),
            tf.boolean_mask(best, counted),
            self._classes,
            dtype=tf.int64,
        )
        return confusion, part.total, part.divisor
