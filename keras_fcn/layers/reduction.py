"""Caffe's Reduction layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._axes import channels_first_shape, channels_last_axis, channels_last_shape
from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]

_OPERATIONS: dict[str, Callable[..., Any]] = {
    "asum": lambda x, axis: ops.sum(ops.abs(x), axis=axis),
    "mean": ops.mean,
    "sum": ops.sum,
    "sumsq": lambda x, axis: ops.sum(ops.square(x), axis=axis),
}


@keras.saving.register_keras_serializable(package="keras_fcn")
class Reduction(CaffeLayer):
    """One number for all axes from one on, which are dropped.

    Source: Caffe's `reduction_layer.cpp`.

    Args:
        operation: `"sum"`, `"asum"` (of absolute values), `"sumsq"` (of squares)
            or `"mean"`.
        axis: the first axis that is reduced, counted in Caffe's order (N, C, ...).
        coeff: factor of the result.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C), any rank.

    Output shape:
        Caffe's first `axis` axes, channels-last; a scalar with `axis=0`.

    Raises:
        ValueError: an unknown operation.
    """

    def __init__(
        self, operation: str = "sum", axis: int = 0, coeff: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if operation not in _OPERATIONS:
            raise ValueError(
                f"operation must be one of {sorted(_OPERATIONS)}. Received: {operation!r}"
            )
        self.operation = operation
        self.axis = axis
        self.coeff = coeff

    def call(self, inputs: Any) -> Any:
        """Reduce a tensor."""
        rank = len(inputs.shape)
        axes = tuple(channels_last_axis(axis, rank) for axis in range(self.axis % rank, rank))
        outputs = _OPERATIONS[self.operation](inputs, axis=axes)
        return outputs if self.coeff == 1 else self.coeff * outputs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The kept axes."""
        kept = channels_first_shape(input_shape)[: self.axis % len(input_shape)]
        return channels_last_shape(kept)
