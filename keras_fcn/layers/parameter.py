"""Caffe's Parameter layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer


@keras.saving.register_keras_serializable(package="keras_fcn")
class Parameter(CaffeLayer):
    """A learned tensor as output.

    The input only gives the layer its place in a model: its values do not count.

    Source: Caffe's `parameter_layer.hpp`.

    Args:
        shape: shape of the output, batch axis included.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        Any.

    Output shape:
        `shape`.
    """

    def __init__(self, shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = tuple(shape)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the tensor, zero as in Caffe."""
        self.parameter = self.add_weight(name="parameter", shape=self.shape, initializer="zeros")

    def call(self, inputs: Any) -> Any:
        """The tensor."""
        return ops.cast(self.parameter, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int, ...]:
        """The tensor's shape."""
        return self.shape
