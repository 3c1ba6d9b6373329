"""Global response normalization over channels."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer


@keras.saving.register_keras_serializable(package="keras_fcn")
class GRN(CaffeLayer):
    """x / sqrt(sum of squares over channels + bias), at each place.

    It is computed in float32 at least: squares leave half precision's range.

    Source: `grn_layer.cpp` of github.com/openvinotoolkit/training_toolbox_caffe.

    Args:
        bias: added within the root.
        dummy_backward: let the gradient pass as it comes, instead of the true one.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C), two axes or more.

    Output shape:
        The input's.
    """

    def __init__(self, bias: float = 1e-7, dummy_backward: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bias = bias
        self.dummy_backward = dummy_backward

    def call(self, inputs: Any) -> Any:
        """Normalize (N, ..., C)."""
        x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        unit = x / ops.sqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + self.bias)
        if self.dummy_backward:  # what is added is 0, and carries the gradient
            unit = ops.stop_gradient(unit) + (x - ops.stop_gradient(x))
        return ops.cast(unit, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return tuple(input_shape)
