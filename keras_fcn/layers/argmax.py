"""Caffe's ArgMax layer."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_fcn.layers._axes import channels_first, channels_last_axis
from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._largest import largest

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class ArgMax(CaffeLayer):
    """Places, or values, of the largest elements, largest first; of equal ones the last.

    Places are counted in Caffe's order. They are floats, as in Caffe, and always
    float32, since half precision counts exactly to 2048 only. There is no gradient
    through places.

    Source: Caffe's `argmax_layer.cpp`.

    Args:
        top_k: how many elements.
        axis: the axis to look along, counted in Caffe's order (N, C, ...); None: over
            all elements of an image.
        out_max_val: give the values: in the place of the places, or, without an axis,
            beside them.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C), any rank.

    Output shape:
        With `axis` the input's, `top_k` long along the axis. Without, (N, top_k, 1,
        ..., 1): at least three axes, as many as the input has, and with `out_max_val`
        a last size of 2: the place, then the value.
    """

    def __init__(
        self, top_k: int = 1, axis: int | None = None, out_max_val: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.top_k = top_k
        self.axis = axis
        self.out_max_val = out_max_val

    def call(self, inputs: Any) -> Any:
        """Look through a tensor."""
        rank = len(inputs.shape)
        if self.axis is not None:
            axis = channels_last_axis(self.axis % rank, rank)
            values, places = self._largest(ops.moveaxis(inputs, axis, -1))
            return ops.moveaxis(values if self.out_max_val else places, -1, axis)
        images = channels_first(inputs)
        if rank != 2:
            images = ops.reshape(images, (ops.shape(images)[0], self._elements(images.shape)))
        values, places = self._largest(images)
        outputs = ops.stack([places, values] if self.out_max_val else [places], axis=-1)
        between = range(2, 2 + max(rank - 3, 0))
        return ops.expand_dims(outputs, tuple(between)) if between else outputs

    def _largest(self, x: Any) -> tuple[Any, Any]:
        """Values and places along the last axis; from behind, since the first of equals wins."""
        values, from_behind = largest(ops.flip(x, axis=-1), self.top_k)
        places = ops.shape(x)[-1] - 1 - from_behind
        return values, ops.cast(places, x.dtype)

    def _elements(self, shape: Shape) -> int:
        """Elements of an image, -1 where they are not known."""
        count = 1
        for size in shape[1:]:
            if size is None:
                return -1
            count *= size
        return count

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """See the class."""
        rank = len(input_shape)
        if self.axis is None:
            last = 2 if self.out_max_val else 1
            return (input_shape[0], self.top_k, *(1,) * max(rank - 3, 0), last)
        axis = channels_last_axis(self.axis % rank, rank)
        return (*input_shape[:axis], self.top_k, *input_shape[axis + 1 :])
