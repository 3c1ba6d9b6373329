"""The base of losses of pixels, in a room that loads Keras first: see `keras_fcn._registration`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from keras_fcn.caffe.words import quoted

# Caffe's kLOG_THRESHOLD: probabilities below count as this.
_LEAST_PROBABILITY = 1e-20

DEFAULT_VOID = 255
"""Label of the pixels that do not count, where nobody says another."""


class PixelLoss(keras.losses.Loss):
    """Base class of losses of class scores, computed in float32 whatever the policy.

    Pixels of `ignore_index` give no loss and no gradient. A batch of nothing else has the loss 0.

    Args:
        ignore_index: label of the pixels that do not count.
        class_weights: a number a class; None for 1 each.
        from_logits: whether scores are logits; else they are probabilities.
        **kwargs: arguments of `keras.losses.Loss`.

    Raises:
        ValueError: a weight below 0.
    """

    #: Names of the constructor's arguments beside those of Keras.
    arguments: tuple[str, ...] = ("ignore_index", "class_weights", "from_logits")

    def __init__(
        self,
        ignore_index: int = DEFAULT_VOID,
        class_weights: Sequence[float] | None = None,
        from_logits: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.ignore_index = ignore_index
        self.class_weights = None if class_weights is None else tuple(map(float, class_weights))
        self.from_logits = from_logits
        if not all(0 <= weight < np.inf for weight in self.class_weights or ()):
            raise ValueError(
                f"{quoted('class_weights')} must be at least 0. Received: {class_weights}"
            )

    def adapted(
        self, ignore_index: int, class_weights: Sequence[float] | None, from_logits: bool
    ) -> Self:
        """The same loss for other labels and scores; a subclass keeps what is its own."""
        loss = object.__new__(type(self))
        loss.__dict__.update(self.__dict__)
        loss.ignore_index, loss.from_logits = ignore_index, from_logits
        loss.class_weights = None if class_weights is None else tuple(map(float, class_weights))
        return loss

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of labels `(N, ...)` or `(N, ..., 1)` and scores `(N, ..., classes)`."""
        if len(y_true.shape) == len(y_pred.shape):
            y_true = ops.squeeze(y_true, -1)
        total, divisor = self.parts(y_true, y_pred)
        return total / ops.maximum(divisor, 1.0)

    def parts(self, labels: Any, scores: Any) -> tuple[Any, Any]:
        """A sum, and what divides it: replicas add both up before they divide.

        Args:
            labels: `(N, ...)`, class indices and `ignore_index`.
            scores: `(N, ..., classes)`.

        Returns:
            Two float32 scalars; the second is 0 where nothing counts.
        """
        raise NotImplementedError

    def _read(self, labels: Any, scores: Any) -> tuple[Any, Any, Any]:
        """Which pixels count; their labels, 0 for the others; logits in float32."""
        labels, scores = ops.cast(labels, "int32"), ops.cast(scores, "float32")
        counted = ops.not_equal(labels, self.ignore_index)
        if not self.from_logits:
            scores = ops.log(ops.maximum(scores, _LEAST_PROBABILITY))
        return counted, ops.where(counted, labels, 0), scores

    def _weights(self, classes: int) -> Any:
        """The weight of each class, float32."""
        weights = (1.0,) * classes if self.class_weights is None else self.class_weights
        return ops.convert_to_tensor(weights, "float32")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), **{name: getattr(self, name) for name in self.arguments}}
