"""Caffe's losses of distances and margins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._gradients import own_gradient
from keras_fcn.layers._labels import flat, flat_labels, vectors
from keras_fcn.layers._loss import Measure, NormalizedLoss

_NEAR_ZERO = 1e-4  # Caffe adds it to a distance it divides by


def sigmoid_losses(x: Any, targets: Any) -> Any:
    """Cross entropies of targets and the sigmoids of x."""
    positive = ops.cast(x >= 0, x.dtype)
    return x * (positive - targets) + ops.log1p(ops.exp(x - 2 * x * positive))


@keras.saving.register_keras_serializable(package="keras_fcn")
class SigmoidCrossEntropyLoss(NormalizedLoss):
    """Cross entropy of targets in [0, 1] and sigmoids, summed over all elements.

    `ignore_label` is compared with the targets' whole parts, as in Caffe: 0 ignores
    0.7 as well.

    Source: Caffe's `sigmoid_cross_entropy_loss_layer.cpp`.

    Args:
        normalization: as in `SoftmaxWithLoss`, a position being an element.
        **kwargs: `ignore_label` as there, and arguments of `keras.layers.Layer`.

    Input shape:
        Two tensors with equally many elements: scores (N, ...), and targets.

    Output shape:
        ().
    """

    def __init__(self, normalization: str = "batch_size", **kwargs: Any) -> None:
        super().__init__(normalization=normalization, **kwargs)

    def call(self, inputs: Sequence[Any]) -> Any:
        """The loss of (scores, targets)."""
        x, targets = flat(inputs[0]), ops.stop_gradient(flat(inputs[1]))
        losses = sigmoid_losses(x, targets)
        return self.normalized(losses, flat_labels(inputs[1]), ops.shape(inputs[0])[0])


@keras.saving.register_keras_serializable(package="keras_fcn")
class EuclideanLoss(Measure):
    """Sum of squared differences over 2 N; both inputs get a gradient.

    Source: Caffe's `euclidean_loss_layer.cpp`.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        Two tensors (N, ...) with equally many elements, compared in Caffe's order.

    Output shape:
        ().
    """

    def call(self, inputs: Sequence[Any]) -> Any:
        """The loss of a pair."""
        first, second = inputs
        return ops.sum(ops.square(flat(first) - flat(second))) / _twice_the_batch(first)


@keras.saving.register_keras_serializable(package="keras_fcn")
class HingeLoss(Measure):
    """Margins of one class against all others, summed and divided by N.

    The label's score should be above 1, all others below -1; what is missing counts, or,
    with norm L2, its square.

    Source: Caffe's `hinge_loss_layer.cpp`.

    Args:
        norm: `"l1"` or `"l2"`.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        Two tensors: scores (N, ...), all elements of an image being classes, in Caffe's
        order, and labels, one an image.

    Output shape:
        ().

    Raises:
        ValueError: an unknown norm.
    """

    def __init__(self, norm: str = "l1", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if norm not in ("l1", "l2"):
            raise ValueError(f"norm must be 'l1' or 'l2'. Received: {norm!r}")
        self.norm = norm

    def call(self, inputs: Sequence[Any]) -> Any:
        """The loss of (scores, labels)."""
        scores, labels = vectors(inputs[0]), flat_labels(inputs[1])
        true = ops.arange(ops.shape(scores)[1], dtype="int32") == labels[:, None]
        missing = ops.relu(1 + ops.where(true, -scores, scores))
        total = ops.sum(missing if self.norm == "l1" else ops.square(missing))
        return total / ops.cast(ops.shape(scores)[0], total.dtype)


@keras.saving.register_keras_serializable(package="keras_fcn")
class ContrastiveLoss(Measure):
    """Draws similar pairs together and pushes dissimilar ones apart.

    With d the distance of a pair's vectors, a similar pair costs d ** 2 and a dissimilar
    one max(margin - d, 0) ** 2 (legacy: max(margin - d ** 2, 0)); the sum is divided by
    2 N. Both vectors get a gradient, which adds 1e-4 to the distances it divides by.

    Source: Caffe's `contrastive_loss_layer.cpp`; Hadsell et al., "Dimensionality
    Reduction by Learning an Invariant Mapping".

    Args:
        margin: the distance from which on a dissimilar pair costs nothing.
        legacy_version: use the squared distance there.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        Three tensors: two of vectors (N, ..., C) with one position, and one that is not 0
        for similar pairs, (N,) or (N, ..., 1).

    Output shape:
        ().
    """

    def __init__(self, margin: float = 1.0, legacy_version: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.margin = margin
        self.legacy_version = legacy_version

    def call(self, inputs: Sequence[Any]) -> Any:
        """The loss of (vectors, vectors, similar)."""
        first, second = map(vectors, inputs[:2])
        squares = ops.sum(ops.square(first - second), axis=-1)
        if self.legacy_version:
            apart = ops.relu(self.margin - squares)
        else:
            apart = ops.square(ops.relu(self.margin - _root(squares)))
        similar = flat_labels(inputs[2]) != 0
        return ops.sum(ops.where(similar, squares, apart)) / _twice_the_batch(first)


@own_gradient
def _root(squares: Any) -> Any:
    root = ops.sqrt(squares)
    return root, lambda upstream: upstream / (2 * (root + _NEAR_ZERO))


def _twice_the_batch(x: Any) -> Any:
    return 2 * ops.cast(ops.shape(x)[0], x.dtype)
