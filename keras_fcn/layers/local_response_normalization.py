"""Caffe's LRN layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._spatial import keeps_layout


def _three_quarters(y: Any) -> Any:
    root = ops.sqrt(y)
    return root * ops.sqrt(root)


# The usual exponents by square roots: on the CPU ops.power takes three times as long.
_POWERS: dict[float, Callable[[Any], Any]] = {
    0.5: ops.sqrt,
    0.75: _three_quarters,
    1.0: lambda y: y,
}
_REGIONS = ("across_channels", "within_channel")


@keras.saving.register_keras_serializable(package="keras_fcn")
class LocalResponseNormalization(CaffeLayer):
    """Divide every value by the energy of its neighbourhood, as Caffe's LRN does.

    Across channels, with the sum over the `local_size` channels around c::

        y[c] = x[c] / (k + alpha / local_size * sum(x ** 2)) ** beta

    Within a channel the sum runs over a `local_size` x `local_size` window,
    zero outside the map, alpha is divided by `local_size ** 2`, and Caffe uses
    1 whatever `k` says.

    The arithmetic is done in float32 at least, also under mixed precision.

    Source: Krizhevsky et al., "ImageNet Classification with Deep Convolutional
    Neural Networks", section 3.3; Caffe's `lrn_layer.cpp`.

    Args:
        local_size: odd number of channels, or side of the window, summed over.
        alpha: weight of the mean energy.
        beta: exponent.
        k: constant that is added to the energy, across channels only.
        norm_region: `"across_channels"` or `"within_channel"`.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, H, W, C); C must be known across channels.

    Output shape:
        The input's.

    Raises:
        ValueError: an even or non-positive `local_size`, an unknown
            `norm_region`, or unknown channels.
    """

    def __init__(
        self,
        local_size: int = 5,
        alpha: float = 1.0,
        beta: float = 0.75,
        k: float = 1.0,
        norm_region: str = "across_channels",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if local_size < 1 or local_size % 2 == 0:
            raise ValueError(f"local_size must be odd and positive. Received: {local_size}")
        self.local_size = local_size
        self.alpha = alpha
        self.beta = beta
        self.k = k
        self.norm_region = norm_region
        if norm_region not in _REGIONS:
            raise ValueError(f"norm_region must be one of {_REGIONS}. Received: {norm_region!r}")
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Lay out the constant (1, 1, C, C) band of ones that sums neighbouring channels."""
        if self.norm_region == "across_channels":
            channels = input_shape[-1]
            if channels is None:
                raise ValueError(
                    "LRN across channels needs a known number of channels. "
                    f"Received: input_shape={input_shape}"
                )
            rows, columns = np.indices((channels, channels))
            band = abs(rows - columns) <= self.local_size // 2
            self._band = band.astype("float32")[np.newaxis, np.newaxis]

    def call(self, inputs: Any) -> Any:
        """Normalize (N, H, W, C)."""
        x = ops.cast(inputs, keras.backend.result_type(self.compute_dtype, "float32"))
        across = self.norm_region == "across_channels"
        y = (self._energy_across if across else self._energy_within)(ops.square(x))
        power = _POWERS.get(self.beta, lambda y: ops.power(y, self.beta))
        return ops.cast(x / power(y), self.compute_dtype)

    def _energy_across(self, squares: Any) -> Any:
        if keeps_layout(squares):  # and reads no band from the processor's memory
            from torch.nn.functional import avg_pool1d

            rows = squares.reshape(1, -1, squares.shape[-1])
            means = avg_pool1d(rows, self.local_size, 1, self.local_size // 2)
            return self.k + self.alpha * means.reshape(squares.shape)
        # A 1x1 convolution is on the CPU as fast as tf.nn.local_response_normalization,
        # its gradient twice as fast, and it exports to every format.
        band = ops.cast(self._band, squares.dtype)
        sums = ops.conv(squares, band, data_format="channels_last")
        return self.k + self.alpha / self.local_size * sums

    def _energy_within(self, squares: Any) -> Any:
        margin = (self.local_size // 2,) * 2
        squares = ops.pad(squares, [(0, 0), margin, margin, (0, 0)])
        means = ops.average_pool(squares, self.local_size, 1, data_format="channels_last")
        return 1.0 + self.alpha * means

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return tuple(input_shape)
