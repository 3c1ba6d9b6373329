"""Layers of networks for small devices: ShuffleChannel and Axpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class ShuffleChannel(keras.layers.Layer):
    """Mixes the channels of groups: the first of each group, then the second of each ...

    Source: ``shuffle_channel_layer.cpp`` of github.com/farmingyard/ShuffleNet.

    Args:
        groups: how many groups the channels are in.
        **kwargs: arguments of ``keras.layers.Layer``.

    Input shape:
        (N, ..., C), C a multiple of ``groups``.

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

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "groups": self.groups}


@keras.saving.register_keras_serializable(package="keras_fcn")
class Axpy(keras.layers.Layer):
    """a * x + y, where a has a number for each channel of each image.

    Source: ``axpy_layer.cpp`` of github.com/hujie-frank/SENet.

    Args:
        **kwargs: arguments of ``keras.layers.Layer``.

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
