"""Caffe's Eltwise layer, where Keras' Add, Multiply and Maximum differ."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class Eltwise(CaffeLayer):
    """Weighted sum, product or maximum of tensors of one shape.

    Of two equal values the second one is the maximum and gets the gradient; among
    further ones the earlier wins. A term of coefficient 0 is left out, so that its
    infinities and NaN do not count.

    Source: Caffe's `eltwise_layer.cpp`.

    Args:
        operation: `"sum"`, `"prod"` or `"max"`.
        coeff: factors of the terms of a sum; None: all are 1.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        A list of at least two tensors of one shape.

    Output shape:
        The first input's.

    Raises:
        ValueError: an unknown operation, or not one factor for each input.
    """

    def __init__(
        self, operation: str = "sum", coeff: Sequence[float] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if operation not in ("sum", "prod", "max"):
            raise ValueError(f"operation must be 'sum', 'prod' or 'max'. Received: {operation!r}")
        self.operation = operation
        self.coeff = None if coeff is None else tuple(coeff)

    def build(self, input_shape: Sequence[Shape]) -> None:
        """Check the number of inputs."""
        if self.coeff is not None and len(self.coeff) != len(input_shape):
            raise ValueError(
                f"coeff must have one number for each input. Received: coeff={self.coeff} for "
                f"{len(input_shape)} inputs"
            )

    def call(self, inputs: Sequence[Any]) -> Any:
        """Combine a list of tensors."""
        if self.operation == "prod":
            return reduce(ops.multiply, inputs)
        return self._sum(inputs) if self.operation == "sum" else self._max(inputs)

    def _sum(self, inputs: Sequence[Any]) -> Any:
        coeff = self.coeff or (1.0,) * len(inputs)
        terms = [x if c == 1 else c * x for c, x in zip(coeff, inputs, strict=True) if c != 0]
        return reduce(ops.add, terms) if terms else ops.zeros_like(inputs[0])

    def _max(self, inputs: Sequence[Any]) -> Any:
        first, second, *others = inputs
        largest = ops.where(first > second, first, second)
        for x in others:
            largest = ops.where(x > largest, x, largest)
        return largest

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """The first input's shape."""
        return tuple(input_shape[0])
