"""Base classes of Caffe's losses and Accuracy."""

from __future__ import annotations

from typing import Any

from keras import ops

from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._gradients import own_gradient
from keras_fcn.layers._labels import counted

_NORMALIZATIONS = ("full", "valid", "batch_size", "none", "pre_fixed")


class Measure(CaffeLayer):
    """One number for predictions and labels, in float32 whatever the dtype policy.

    Labels are numbers too, and float16 cannot hold those of many classes.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of a scalar."""
        return ()


class NormalizedLoss(Measure):
    """A loss that can ignore a label, and whose sum is divided by a count."""

    def __init__(
        self,
        ignore_label: int | None = None,
        normalization: str = "valid",
        pre_fixed_normalizer: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if normalization not in _NORMALIZATIONS:
            raise ValueError(
                f"normalization must be one of {_NORMALIZATIONS}. Received: {normalization!r}"
            )
        self.ignore_label = ignore_label
        self.normalization = normalization
        self.pre_fixed_normalizer = pre_fixed_normalizer

    def normalized(self, losses: Any, labels: Any, batch: Any) -> Any:
        """The sum of those losses that count, over a divisor of at least 1.

        Args:
            losses: one for each label.
            labels: integers.
            batch: the divisor of `"batch_size"`.
        """
        counts = counted(labels, self.ignore_label)
        valid = ops.sum(ops.cast(counts, "int32"))
        divisor = self.divisor(ops.size(labels), valid, batch, losses.dtype)
        return ops.sum(ops.where(counts, losses, 0.0)) / divisor

    def divisor(self, full: Any, valid: Any, batch: Any, dtype: str) -> Any:
        """Divisor of a sum, at least 1; the arguments are named after the modes."""
        counts = {
            "full": full,
            "valid": valid,
            "batch_size": batch,
            "none": 1,
            "pre_fixed": self.pre_fixed_normalizer,
        }
        return ops.maximum(ops.cast(counts[self.normalization], dtype), 1.0)


def straight_through(x: Any, value: Any) -> Any:
    """The value, with the gradient of x: Caffe's gradients leave some steps out."""

    @own_gradient
    def replaced(x: Any, value: Any) -> Any:  # JAX wants to be told all that it reads
        return ops.stop_gradient(value), lambda upstream: (upstream, ops.zeros_like(upstream))

    return replaced(x, value)


def at_least(x: Any, lowest: float) -> Any:
    """max(x, lowest) with the gradient of x: Caffe's gradients pass over such limits."""
    return straight_through(x, ops.maximum(x, lowest))
