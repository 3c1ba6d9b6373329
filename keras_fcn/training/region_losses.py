"""Losses of the regions of classes: Dice and Lovasz-softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.core.pixel_loss import PixelLoss

__all__ = ["DiceLoss", "LovaszSoftmaxLoss"]


@keras.saving.register_keras_serializable(package="keras_fcn")
class DiceLoss(PixelLoss):
    """One less the Dice coefficient of each class, the mean of the classes that an image has.

    `1 - (2 sum(p g) + s) / (sum(p^2) + sum(g^2) + s)` over the pixels of an image, `p` the
    probabilities of a class and `g` 1 where it is: V-Net's coefficient, for several classes. The
    mean over images, so that batch sizes and devices do not matter. With class weights a class's
    loss is multiplied by its weight, the divisor stays the same.

    Source: Milletari, Navab and Ahmadi, "V-Net: Fully Convolutional Neural Networks for Volumetric
    Medical Image Segmentation", 2016.

    Args:
        ignore_index: label of the pixels that do not count.
        class_weights: a number a class; None for 1 each.
        from_logits: whether scores are logits; else they are probabilities.
        smoothing: the `s` of the formula, which V-Net does not have.
        name: of the loss.
        **kwargs: arguments of `keras.losses.Loss`.

    Raises:
        ValueError: a number below 0.
    """

    arguments = (*PixelLoss.arguments, "smoothing")

    def __init__(
        self,
        ignore_index: int = 255,
        class_weights: Sequence[float] | None = None,
        from_logits: bool = True,
        smoothing: float = 0.0,
        name: str = "dice_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(ignore_index, class_weights, from_logits, name=name, **kwargs)
        self.smoothing = smoothing
        if not 0 <= smoothing < float("inf"):
            raise ValueError(f"`smoothing` must be at least 0. Received: {smoothing!r}")

    def parts(self, labels: Any, scores: Any) -> tuple[Any, Any]:
        """The sum over images, and how many count; see `PixelLoss.parts`."""
        counted, known, logits = self._read(labels, scores)
        classes = logits.shape[-1]
        counted = ops.cast(counted, "float32")[..., None]
        there = ops.one_hot(known, classes) * counted
        said = ops.softmax(logits) * counted
        pixels = tuple(range(1, len(logits.shape) - 1))
        sizes = ops.sum(there, pixels)
        overlap = 2 * ops.sum(said * there, pixels) + self.smoothing
        both = ops.sum(said * said, pixels) + sizes + self.smoothing
        # Of a class that is there it is at least 1.
        losses = 1 - overlap / ops.maximum(both, 1.0)
        return _mean_of_present(losses * self._weights(classes), sizes > 0)


@keras.saving.register_keras_serializable(package="keras_fcn")
class LovaszSoftmaxLoss(PixelLoss):
    """The Lovasz extension of the Jaccard loss of each class, the mean of those that are there.

    Of a class the errors of the pixels, `1 - p` where it is and `p` elsewhere, are sorted from the
    largest, and each is multiplied by what its pixel adds to the Jaccard loss if all before it are
    wrong. Over all pixels of a batch, of each device its own, or of each image. With class weights
    a class's loss is multiplied by its weight, the divisor stays the same.

    Source: Berman, Rannen Triki and Blaschko, "The Lovasz-Softmax Loss: A Tractable Surrogate for
    the Optimization of the Intersection-over-Union Measure in Neural Networks", 2018.

    Args:
        ignore_index: label of the pixels that do not count.
        class_weights: a number a class; None for 1 each.
        from_logits: whether scores are logits; else they are probabilities.
        per_image: sorts the pixels of each image, and gives the mean over images.
        name: of the loss.
        **kwargs: arguments of `keras.losses.Loss`.

    Raises:
        ValueError: a weight below 0.
    """

    arguments = (*PixelLoss.arguments, "per_image")

    def __init__(
        self,
        ignore_index: int = 255,
        class_weights: Sequence[float] | None = None,
        from_logits: bool = True,
        per_image: bool = False,
        name: str = "lovasz_softmax_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(ignore_index, class_weights, from_logits, name=name, **kwargs)
        self.per_image = per_image

    def parts(self, labels: Any, scores: Any) -> tuple[Any, Any]:
        """The sum over batches or images, and how many count; see `PixelLoss.parts`."""
        counted, known, logits = self._read(labels, scores)
        classes = logits.shape[-1]
        groups = ops.shape(logits)[0] if self.per_image else 1
        # (groups, classes, pixels)
        there = ops.one_hot(ops.reshape(known, (groups, -1)), classes, axis=1)
        said = ops.reshape(ops.softmax(logits), (groups, -1, classes))
        counted = ops.reshape(counted, (groups, 1, -1))
        there = there * ops.cast(counted, "float32")
        errors = ops.abs(there - ops.transpose(said, (0, 2, 1)))
        # What does not count comes last, where it changes nothing that is before it.
        order = ops.argsort(ops.where(counted, -errors, 1.0), axis=-1)
        steps = _jaccard_steps(ops.take_along_axis(there, order, -1))
        errors = ops.take_along_axis(ops.where(counted, errors, 0.0), order, -1)
        losses = ops.sum(errors * ops.stop_gradient(steps), -1) * self._weights(classes)
        return _mean_of_present(losses, ops.any(there > 0, -1))


def _jaccard_steps(there: Any) -> Any:
    """What each pixel adds to the Jaccard loss of its class, if all before it are wrong.

    The differences of `1 - intersection / union`, in a form without cancellation: a pixel of the
    class leaves the intersection, any other one joins the union.

    Args:
        there: `(..., pixels)`, 1 where the class is.
    """
    before = ops.cumsum(there, -1) - there
    intersection = ops.sum(there, -1, keepdims=True) - before
    others = ops.cumsum(1 - there, -1)
    union = ops.maximum(intersection + before + others, 1.0)
    joins = intersection / (union * ops.maximum(union - 1, 1.0))
    return ops.where(there > 0, 1 / union, joins)


def _mean_of_present(losses: Any, present: Any) -> tuple[Any, Any]:
    """The sum over groups of the mean of their classes' losses, and how many groups have any.

    Args:
        losses: `(groups, classes)`.
        present: `(groups, classes)`, which classes count.
    """
    counts = ops.sum(ops.cast(present, "float32"), -1)
    sums = ops.sum(ops.where(present, losses, 0.0), -1)
    return ops.sum(sums / ops.maximum(counts, 1.0)), ops.sum(ops.cast(counts > 0, "float32"))
