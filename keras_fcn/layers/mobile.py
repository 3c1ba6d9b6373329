"""Layers of networks for small devices: ShuffleChannel, Axpy and PixelShuffle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class ShuffleChannel(CaffeLayer):
    """Mixes the channels of groups: the first of each group, then the second of each ...

    Source: `shuffle_channel_layer.cpp` of github.com/farmingyard/ShuffleNet.

    Args:
        groups: how many groups the channels are in.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C), C a multiple of `groups`.

    Output shape:
        The input's.
    """

    def __init__(self, groups: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.groups = groups

    def call(self, inputs: Any) -> Any:
        """Shuffle (N, ..., C)."""
        sizes = ops.shape(inputs)
        x = ops.reshape(inputs, (*sizes[:-1], self.groups, sizes[-1] // self.groups))
        return ops.reshape(ops.swapaxes(x, -1, -2), sizes)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return tuple(input_shape)


@keras.saving.register_keras_serializable(package="keras_fcn")
class Axpy(CaffeLayer):
    """a * x + y, where a has a number for each channel of each image.

    Source: `axpy_layer.cpp` of github.com/hujie-frank/SENet.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        [a, x, y]: (N, C) or (N, 1, 1, C), and twice (N, ..., C).

    Output shape:
        That of x.
    """

    def call(self, inputs: Sequence[Any]) -> Any:
        """Scale x and add y."""
        scale, x, y = inputs
        between = (1,) * (len(x.shape) - 2)
        return ops.reshape(scale, (-1, *between, x.shape[-1])) * x + y

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """The shape of x."""
        return tuple(input_shape[1])


@keras.saving.register_keras_serializable(package="keras_fcn")
class PixelShuffle(CaffeLayer):
    """r * r channels become r x r pixels of one: sub-pixel convolution's last step.

    Channel c * r * r + i * r + j goes to channel c, row i and column j of each position.
    Source: Shi et al., "Real-Time Single Image and Video Super-Resolution", and Synopsys'
    Caffe, `reshape_layer.cpp`.

    Args:
        ratio: how many times as large the map becomes.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, H, W, r * r * C).

    Output shape:
        (N, r * H, r * W, C).
    """

    def __init__(self, ratio: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ratio = ratio

    def call(self, inputs: Any) -> Any:
        """Rearrange (N, H, W, r * r * C)."""
        images, height, width, channels = ops.shape(inputs)
        ratio = self.ratio
        x = ops.reshape(inputs, (images, height, width, channels // ratio**2, ratio, ratio))
        x = ops.transpose(x, (0, 1, 4, 2, 5, 3))
        return ops.reshape(x, (images, height * ratio, width * ratio, channels // ratio**2))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """See the class."""
        images, *sizes, channels = input_shape
        larger = (None if size is None else size * self.ratio for size in sizes)
        return (images, *larger, None if channels is None else channels // self.ratio**2)
