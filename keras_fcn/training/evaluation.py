"""A model on a data set: the confusion of its classes."""

from __future__ import annotations

import keras

from keras_fcn.datasets import SegmentationDataset
from keras_fcn.training.metrics import SegmentationResult

__all__ = ["evaluate"]


def evaluate(
    model: keras.Model,
    dataset: SegmentationDataset,
    *,
    batch_size: int = 1,
    size: tuple[int, int] | None = None,
    on_bad_pair: str = "stop",
    verbose: bool = False,
) -> SegmentationResult:
    """Runs a model on whole images and compares the upsampled scores with the labels.

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
    raise NotImplementedError
