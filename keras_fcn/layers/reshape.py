"""Caffe's Reshape layer, which does Flatten's work too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.shape import Reshape
from keras_fcn.layers._axes import (
    channels_first,
    channels_first_shape,
    channels_last,
    channels_last_shape,
)
from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class CaffeReshape(CaffeLayer):
    """Gives axes another shape, elements in Caffe's order (N, C, ...).

    Input and output are channels-last; all arguments count axes in Caffe's order,
    batch axis included. Unlike Keras' Reshape it can change the batch axis too.

    Source: Caffe's `reshape_layer.cpp`.

    Args:
        shape: the new sizes; 0 takes the input's size at the same place, -1 (once at
            most) what is left.
        axis: the first axis that is replaced; a negative one counts from behind the
            last axis, so that -1 appends.
        num_axes: how many axes are replaced; -1: all from `axis` on.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C), any rank.

    Output shape:
        The new shape, channels-last.

    Raises:
        ValueError: the sizes do not fit the input.
    """

    def __init__(
        self, shape: Sequence[int], axis: int = 0, num_axes: int = -1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.axis = axis
        self.num_axes = num_axes

    def call(self, inputs: Any) -> Any:
        """Reshape (N, ..., C)."""
        x = channels_first(inputs)
        bottom = tuple(x.shape)
        known = self._top_shape(bottom)
        if bottom.count(None) == known.count(None) == 1:  # the one follows from the others
            sizes = [-1 if size is None else size for size in known]
        else:
            at_run_time = self._rule().arranged(ops.shape(x))
            pairs = zip(known, at_run_time, strict=True)
            sizes = [late if size is None else size for size, late in pairs]
        return channels_last(ops.reshape(x, sizes))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The new shape, as far as it is known."""
        return channels_last_shape(self._top_shape(channels_first_shape(input_shape)))

    def _rule(self) -> Reshape:
        return Reshape(shape=self.shape, axis=self.axis, num_axes=self.num_axes)

    def _top_shape(self, bottom: Shape) -> Shape:
        try:
            return self._rule().top_shapes((bottom,), 1)[0]
        except NetworkError as error:
            raise ValueError(f"{error}. Received: a shape in Caffe's order of {bottom}") from error
