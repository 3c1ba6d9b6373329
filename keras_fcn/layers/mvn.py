"""Caffe's MVN layer."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer


@keras.saving.register_keras_serializable(package="keras_fcn")
class MVN(CaffeLayer):
    """Mean-variance normalization: each map of each image to mean 0 and deviation 1.

    The output is (x - mean) / (deviation + eps); mind that `eps` is added to the
    deviation. The arithmetic is done in float32 at least, also under mixed precision.

    Source: Caffe's `mvn_layer.cpp`.

    Args:
        normalize_variance: divide by the deviation; else only the mean is removed.
        across_channels: take mean and deviation over all channels of an image.
        eps: added to the deviation.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, H, W, C), (N, H, C), (N, C) or fewer axes.

    Output shape:
        (N, H, W, C); axes that the input lacks have size 1.
    """

    def __init__(
        self,
        normalize_variance: bool = True,
        across_channels: bool = False,
        eps: float = 1e-9,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.normalize_variance = normalize_variance
        self.across_channels = across_channels
        self.eps = eps
        self.input_spec = keras.layers.InputSpec(max_ndim=4)

    def call(self, inputs: Any) -> Any:
        """Normalize (N, ..., C)."""
        x = ops.cast(inputs, keras.backend.result_type(self.compute_dtype, "float32"))
        while len(x.shape) < 4:
            x = ops.expand_dims(x, -1 if len(x.shape) < 2 else -2)
        axes = (1, 2, 3) if self.across_channels else (1, 2)
        x = x - ops.mean(x, axes, keepdims=True)
        if self.normalize_variance:
            x = x / self._deviation(ops.mean(ops.square(x), axes, keepdims=True))
        return ops.cast(x, self.compute_dtype)

    def _deviation(self, variance: Any) -> Any:
        """sqrt(variance) + eps, with Caffe's gradient.

        Caffe differentiates as if `eps` were part of the root: the true gradient has
        sqrt(variance) in place of the sum, and is NaN for a map of one value.
        """
        value = ops.stop_gradient(ops.sqrt(variance) + self.eps)
        return value + (variance - ops.stop_gradient(variance)) / (2 * value)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(N, H, W, C)."""
        batch, *others = (*input_shape, 1, 1)[: max(len(input_shape), 2)]
        *spatial, channels = others
        return (batch, *(*spatial, 1, 1)[:2], channels)
