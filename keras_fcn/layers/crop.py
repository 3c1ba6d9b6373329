"""Caffe's Crop layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import crop
from keras_fcn.layers._axes import channels_first_shape, channels_last_axis, channels_last_shape
from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class Crop(CaffeLayer):
    """The first input, cut to the sizes of the second from one of Caffe's axes on.

    Sizes that are not known before are read when the graph runs. The second input gives
    its shape only: no gradient goes there.

    Source: Caffe's `crop_layer.cpp`.

    Args:
        axis: Caffe's first axis to cut (batch 0, channels 1, height 2, width 3).
        offset: where the output begins: one number for all of these axes, or one for
            each, in Caffe's order.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        A list of two tensors with as many axes, channels-last.

    Output shape:
        The first input's before `axis`, the second's from it on.

    Raises:
        ValueError: the output would reach past the first input, or the offsets are not
            one an axis.
    """

    def __init__(self, axis: int = 2, offset: int | Sequence[int] = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.offset = tuple(offset) if isinstance(offset, Sequence) else (offset,)
        self._params = crop.Crop(axis=axis, offset=self.offset)

    def build(self, input_shape: Sequence[Shape]) -> None:
        """Check the sizes that are known."""
        self.compute_output_shape(input_shape)

    def call(self, inputs: Sequence[Any]) -> Any:
        """Cut the first of two tensors."""
        x, reference = inputs
        rank = len(x.shape)
        starts, sizes = [0] * rank, list(ops.shape(x))
        wanted = ops.shape(reference)
        offsets = self._params.offsets(rank)
        for axis, offset in enumerate(offsets, rank - len(offsets)):
            place = channels_last_axis(axis, rank)
            starts[place] = offset
            sizes[place] = wanted[channels_last_axis(axis, len(wanted))]
        return ops.slice(x, starts, sizes)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """The sizes that are known before the graph runs.

        Raises:
            ValueError: see the class.
        """
        try:
            (shape,) = self._params.top_shapes(tuple(map(channels_first_shape, input_shape)), 1)
        except NetworkError as error:
            raise ValueError(f"{error}. Received: input_shape={input_shape}") from error
        return channels_last_shape(shape)
