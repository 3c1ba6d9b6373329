"""Axes turned round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._axes import channels_last_axis
from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class Reverse(CaffeLayer):
    """The elements along some axes in the other order.

    Sources: `reverse_layer.cpp` of github.com/tianzhi0549/CTPN, `flip_layer.cpp` of
    github.com/happynear/caffe-windows.

    Args:
        axes: the axes, counted as Caffe does: batch 0, channels 1, height 2, width 3.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C), any rank.

    Output shape:
        The input's.
    """

    def __init__(self, axes: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axes = tuple(axes)

    def call(self, inputs: Any) -> Any:
        """Turn the axes of (N, ..., C) round."""
        rank = len(inputs.shape)
        places = [channels_last_axis(axis, rank) for axis in self.axes]
        return ops.flip(inputs, axis=places) if places else inputs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return tuple(input_shape)
