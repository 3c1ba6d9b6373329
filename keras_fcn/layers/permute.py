"""SSD's Permute layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._axes import channels_first_shape, channels_last_shape
from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class CaffePermute(CaffeLayer):
    """The axes in another order, counted as Caffe does.

    Input and output are channels-last; `order` counts batch 0, channels 1, height 2,
    width 3. Unlike Keras' Permute it can move the batch axis too.

    Source: `permute_layer.cpp` of github.com/weiliu89/caffe, branch ssd.

    Args:
        order: for each axis of the output the input's axis that it is.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C), as many axes as `order` has.

    Output shape:
        The input's sizes in Caffe's order, reordered, then channels-last.

    Raises:
        ValueError: `order` is not an order of the axes.
    """

    def __init__(self, order: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.order = tuple(order)
        if sorted(self.order) != list(range(len(self.order))):
            raise ValueError(f"order must name each axis once. Received: order={order}")

    def call(self, inputs: Any) -> Any:
        """Reorder (N, ..., C)."""
        return ops.transpose(inputs, self._permuted(range(len(inputs.shape))))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The sizes reordered."""
        return self._permuted(input_shape)

    def _permuted(self, sizes: Sequence[Any]) -> tuple[Any, ...]:
        if len(sizes) != len(self.order):
            raise ValueError(
                f"order={self.order} needs {len(self.order)} axes. Received: {tuple(sizes)}"
            )
        first = channels_first_shape(sizes)
        return channels_last_shape([first[axis] for axis in self.order])
