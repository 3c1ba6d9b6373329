"""Caffe's PReLU layer."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer


@keras.saving.register_keras_serializable(package="keras_fcn")
class PReLU(CaffeLayer):
    """max(x, 0) + alpha * min(x, 0), with a learned slope for each channel.

    Unlike Keras' own it holds one number a channel whatever the input's rank, and
    passes `alpha` times the gradient at 0, as Caffe does.

    Source: He et al., "Delving Deep into Rectifiers"; Caffe's `prelu_layer.cpp`.

    Args:
        channel_shared: one slope for all channels.
        alpha_initializer: first values of the slopes.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C); C must be known unless `channel_shared`.

    Output shape:
        The input's.
    """

    def __init__(
        self, channel_shared: bool = False, alpha_initializer: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.channel_shared = channel_shared
        self.alpha_initializer = (
            keras.initializers.Constant(0.25)
            if alpha_initializer is None
            else keras.initializers.get(alpha_initializer)
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the slopes: () or (C,)."""
        self.alpha = self.add_weight(
            name="alpha",
            shape=() if self.channel_shared else (input_shape[-1],),
            initializer=self.alpha_initializer,
        )

    def call(self, inputs: Any) -> Any:
        """Apply to (N, ..., C)."""
        return ops.where(inputs > 0, inputs, self.alpha * inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return tuple(input_shape)
