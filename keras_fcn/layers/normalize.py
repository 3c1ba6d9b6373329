"""The Normalize layers of SSD and of NormFace."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer


@keras.saving.register_keras_serializable(package="keras_fcn")
class Normalize(CaffeLayer):
    """Vectors over the channels scaled to unit length, times a learned scale.

    The norm is sqrt(sum of squares + eps), or with `order=1` the sum of magnitudes + eps.
    It is computed in float32 at least: squares leave half precision's range.

    The gradient is Caffe's: what comes in is projected off the vector first and scaled
    then, so that with one scale a channel it is not the true one, which scales first.

    Sources: `normalize_layer.cpp` of github.com/weiliu89/caffe, branch ssd, and, for what
    learns no scale, of github.com/happynear/caffe-windows.

    Args:
        across_spatial: take the norm over all of an image's elements, not at each position.
        channel_shared: learn one scale, not one a channel.
        eps: added within the norm.
        use_scale: whether a scale is learned.
        order: of the norm, 1 or 2.
        scale_initializer: first values of the scale.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C), two axes or more.

    Output shape:
        The input's.

    Raises:
        ValueError: another order.
    """

    def __init__(
        self,
        across_spatial: bool = True,
        channel_shared: bool = True,
        eps: float = 1e-10,
        use_scale: bool = True,
        order: int = 2,
        scale_initializer: Any = "ones",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if order not in (1, 2):
            raise ValueError(f"order must be 1 or 2. Received: order={order}")
        self.across_spatial = across_spatial
        self.channel_shared = channel_shared
        self.eps = eps
        self.use_scale = use_scale
        self.order = order
        self.scale_initializer = keras.initializers.get(scale_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the scale: (), or (C,)."""
        if self.use_scale:
            shape = () if self.channel_shared else (input_shape[-1],)
            self.scale = self.add_weight(
                name="scale", shape=shape, initializer=self.scale_initializer
            )

    def call(self, inputs: Any) -> Any:
        """Normalize (N, ..., C)."""
        x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        if not self.use_scale:
            return ops.cast(self._unit(x), inputs.dtype)
        scale = ops.cast(self.scale, x.dtype)
        # What is added is 0, and carries Caffe's gradient.
        unit = self._unit(ops.stop_gradient(x) + _only_gradient(ops.stop_gradient(scale) * x))
        outputs = scale * ops.stop_gradient(unit) + _only_gradient(unit)
        return ops.cast(outputs, inputs.dtype)

    def _unit(self, x: Any) -> Any:
        axes = tuple(range(1, len(x.shape))) if self.across_spatial else -1
        magnitudes = ops.square(x) if self.order == 2 else ops.abs(x)
        norm = ops.sum(magnitudes, axis=axes, keepdims=True) + self.eps
        return x / (ops.sqrt(norm) if self.order == 2 else norm)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return tuple(input_shape)


def _only_gradient(x: Any) -> Any:
    """0, with the gradient of x."""
    return x - ops.stop_gradient(x)
