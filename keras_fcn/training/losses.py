"""Pixel-wise cross entropy, and weights that make rare classes count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

if TYPE_CHECKING:
    from keras_fcn.datasets import LabelledImages

__all__ = ["NORMALIZATIONS", "PixelwiseCrossEntropy", "median_frequency_weights"]

# Caffe's kLOG_THRESHOLD: probabilities below count as this.
_LEAST_PROBABILITY = 1e-20

#: Name -> divisor of the sum over pixels, of the mask of counted pixels (N, ...).
NORMALIZATIONS: Mapping[str, Callable[[Any], Any]] = {
    "valid": ops.sum,
    "full": lambda counted: ops.sum(ops.ones_like(counted)),
    "batch_size": lambda counted: ops.cast(ops.shape(counted)[0], counted.dtype),
}


@keras.saving.register_keras_serializable(package="keras_fcn")
class PixelwiseCrossEntropy(keras.losses.Loss):
    """Cross entropy of the classes of pixels, computed in float32 whatever the policy.

    With class weights a pixel's loss is multiplied by the weight of its label, the divisor stays
    the same, as in the Caffe of SegNet.

    Source: Caffe's `softmax_loss_layer.cpp`; `weight_by_label_freqs` of alexgkendall/caffe-segnet.

    Args:
        ignore_index: label of the pixels that do not count.
        class_weights: a number a class; None for 1 each.
        from_logits: whether scores are logits; else they are probabilities.
        normalization: what the sum is divided by: `"valid"` pixels, `"full"` all pixels, or
            `"batch_size"` images.
        name: of the loss.
        **kwargs: arguments of `keras.losses.Loss`.

    Raises:
        ValueError: no such normalization, or a weight below 0.
    """

    def __init__(
        self,
        ignore_index: int = 255,
        class_weights: Sequence[float] | None = None,
        from_logits: bool = True,
        normalization: str = "valid",
        name: str = "pixelwise_cross_entropy",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **{**kwargs, "dtype": "float32"})
        self.ignore_index = ignore_index
        self.class_weights = None if class_weights is None else tuple(map(float, class_weights))
        self.from_logits = from_logits
        self.normalization = normalization
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"`normalization` must be one of {list(NORMALIZATIONS)}. "
                f"Received: {normalization!r}"
            )
        if not all(0 <= weight < np.inf for weight in self.class_weights or ()):
            raise ValueError(f"`class_weights` must be at least 0. Received: {class_weights}")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of labels `(N, ...)` or `(N, ..., 1)` and scores `(N, ..., classes)`."""
        if len(y_true.shape) == len(y_pred.shape):
            y_true = ops.squeeze(y_true, -1)
        total, divisor = self.parts(y_true, y_pred)
        return total / ops.maximum(divisor, 1.0)

    def parts(self, labels: Any, scores: Any) -> tuple[Any, Any]:
        """The sum over pixels, and what divides it: replicas add both up before they divide.

        Args:
            labels: `(N, ...)`, class indices and `ignore_index`.
            scores: `(N, ..., classes)`.

        Returns:
            Two float32 scalars.
        """
        labels, scores = ops.cast(labels, "int32"), ops.cast(scores, "float32")
        counted = ops.not_equal(labels, self.ignore_index)
        known = ops.where(counted, labels, 0)
        if not self.from_logits:
            scores = ops.log(ops.maximum(scores, _LEAST_PROBABILITY))
        losses = ops.sparse_categorical_crossentropy(known, scores, from_logits=True)
        weights = counted = ops.cast(counted, "float32")
        if self.class_weights is not None:
            weights = counted * ops.take(ops.convert_to_tensor(self.class_weights), known)
        return ops.sum(losses * weights), NORMALIZATIONS[self.normalization](counted)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = ("ignore_index", "class_weights", "from_logits", "normalization")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def median_frequency_weights(dataset: LabelledImages) -> np.ndarray:
    """A weight a class: the median of the classes' frequencies, divided by the class's.

    A class's frequency is its pixels over all counted pixels of the images that it is in. A class
    that is in no image has weight 1.

    Source: Eigen and Fergus, "Predicting Depth, Surface Normals and Semantic Labels with a Common
    Multi-Scale Convolutional Architecture", 2015, section 6.3.2; used by SegNet.

    Args:
        dataset: whose masks are read, all of them; the images are not.

    Returns:
        float32 `(classes,)`.

    Raises:
        OSError, ValueError, CaffeError: a mask cannot be read.
        ValueError: no mask has a class.
    """
    classes = len(dataset.classes)
    pixels, around = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    for pair in dataset.pairs:
        mask = dataset.truth(pair)
        counts = np.bincount(mask[mask != dataset.ignore_index], minlength=classes)
        pixels += counts
        around += np.where(counts > 0, counts.sum(), 0)
    there = pixels > 0
    if not there.any():
        raise ValueError(f"no mask has a pixel of a class. Received: {dataset.name}")
    frequencies = pixels[there] / around[there]
    weights = np.ones(classes, np.float32)
    weights[there] = np.median(frequencies) / frequencies
    return weights
