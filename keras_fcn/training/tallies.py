"""Counts of what a model says of batches of pictures: of their pixels, or of the whole of them."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import keras
import numpy as np

from keras_fcn.datasets import LabelledImages
from keras_fcn.datasets.whole import Picture
from keras_fcn.inference.score_maps import ScoreMap, map_scores
from keras_fcn.inference.segmentation import image_labels
from keras_fcn.training.class_results import ClassificationResult, Result, hits_among_best
from keras_fcn.training.metrics import SegmentationMetrics, SegmentationResult, confusion_matrix
from keras_fcn.training.objective import Head
from keras_fcn.training.runtime.interface import Runtime

__all__ = ["ImageTally", "PixelTally", "Tally"]

Forward = Callable[[np.ndarray], np.ndarray]
"""Prepared images to the model's output and the head's scores, side by side."""


class Tally(ABC):
    """Counts on a data set.

    Args:
        model: the network.
        head: its scores and their loss.
        dataset: what it is compared with.
    """

    def __init__(self, model: keras.Model, head: Head, dataset: LabelledImages) -> None:
        self._model = model
        self._head = head
        self._classes = dataset.classes

    @abstractmethod
    def add(self, batch: Sequence[Picture], forward: Forward) -> np.ndarray:
        """Count pictures of one size; their losses and what divides them, `(terms, 2)`."""

    @abstractmethod
    def result(self, runtime: Runtime) -> Result:
        """The figures of what all workers have counted."""

    def _losses(self, labels: np.ndarray, values: np.ndarray) -> np.ndarray:
        parts = [term.loss.parts(labels, values) for term in self._head.losses]
        return np.array([[float(number) for number in pair] for pair in parts])


class PixelTally(Tally):
    """Counts of the classes of pixels, as `keras_fcn.segment` says them."""

    def __init__(self, model: keras.Model, head: Head, dataset: LabelledImages) -> None:
        super().__init__(model, head, dataset)
        self._metrics = SegmentationMetrics(dataset.classes, dataset.ignore_index)

    def add(self, batch: Sequence[Picture], forward: Forward) -> np.ndarray:
        prepared = np.stack([picture.prepared for picture in batch])
        maps = map_scores(self._model, forward, prepared)
        sums = [self._count(*pair) for pair in zip(batch, maps, strict=True)]
        return np.asarray(np.sum(sums, axis=0))

    def result(self, runtime: Runtime) -> SegmentationResult:
        confusion = runtime.total(self._metrics.confusion)
        return SegmentationResult(self._classes, confusion.round().astype("int64"))

    def _count(self, picture: Picture, found: ScoreMap) -> np.ndarray:
        """Adds a picture's pixels; its losses and what divides them."""
        given = self._model.outputs[0].shape[-1] or 1
        said, scores = (
            dataclasses.replace(found, scores=part)
            for part in np.split(found.scores, [given], axis=-1)
        )
        pixels, way = picture.mask.shape, picture.preprocessing
        self._metrics.update(picture.mask, image_labels(self._model, said, pixels, way))
        labels, values = picture.mask, scores.scores
        if self._head.on_map:
            rows, columns = scores.pixels(pixels, way)
            labels = labels[np.ix_(rows, columns)].astype(np.int32)
            labels[(rows < 0)[:, np.newaxis] | (columns < 0)] = self._head.ignore_index
        else:
            values = scores.at_pixels(pixels, way)
        return self._losses(labels[np.newaxis], values[np.newaxis])


class ImageTally(Tally):
    """Counts of the classes of whole images, as `keras_fcn.classify` says them."""

    def __init__(self, model: keras.Model, head: Head, dataset: LabelledImages) -> None:
        super().__init__(model, head, dataset)
        count = len(dataset.classes)
        self._confusion = np.zeros((count, count), np.int64)
        self._top_hits = 0

    def add(self, batch: Sequence[Picture], forward: Forward) -> np.ndarray:
        labels = np.array([int(picture.mask) for picture in batch])
        count = len(self._classes)
        both = forward(np.stack([picture.prepared for picture in batch])).reshape(len(batch), -1)
        scores = both[:, -count:]
        # Of a model that ends in an ArgMax the scores themselves tell.
        said = both[:, :count] if both.shape[1] == 2 * count else scores
        self._confusion += confusion_matrix(labels, said.argmax(axis=1), count, ignore_index=-1)
        self._top_hits += hits_among_best(said, labels)
        return self._losses(labels, scores)

    def result(self, runtime: Runtime) -> ClassificationResult:
        confusion, hits = (runtime.total(x) for x in (self._confusion, self._top_hits))
        whole = np.round(confusion).astype("int64")
        return ClassificationResult(self._classes, whole, round(float(hits)))
