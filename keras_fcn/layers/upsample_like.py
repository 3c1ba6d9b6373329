"""SegNet's Upsample to the size that was pooled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers.upsample import Upsample


@keras.saving.register_keras_serializable(package="keras_fcn")
class UpsampleLike(CaffeLayer):
    """Undoes a pooling of 2 x 2 windows, whose input's sizes may be odd.

    Puts each element where the pooling mask says that the maximum was, in a map as high and
    wide as a third input, which gives nothing but its shape. SegNet's networks have these
    sizes as numbers, which ties them to one image size.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        Three tensors: elements and mask as for `Upsample`, and what was pooled,
        (N, H, W, C). H and W may be unknown until the graph runs.

    Output shape:
        The third input's.
    """

    def __init__(self, **kwargs: Any) -> None:
        # Half precision cannot count the places of a mask.
        super().__init__(autocast=False, **kwargs)
        self._upsample = Upsample(2, dtype=self.dtype_policy)

    def build(self, input_shape: Sequence[Any]) -> None:
        """Nothing to make; said so that Keras need not trace the layer to find out."""
        self._upsample.build(input_shape[:2])

    def call(self, inputs: Sequence[Any]) -> Any:
        """Place the elements of the first input by the second."""
        x, mask, like = inputs
        height, width = ops.shape(like)[1:3]
        places = ops.cast(mask, "int32")
        even = 2 * ops.shape(x)[2]
        if not (isinstance(width, int) and width == even):
            # The same row and column where rows have an even number of positions.
            places = places // width * even + places % width
        return self._upsample([x, places])[:, :height, :width]

    def compute_output_shape(self, input_shape: Sequence[Any]) -> tuple[int | None, ...]:
        """(N, H, W, C)."""
        images, _, _, channels = input_shape[0]
        return (images, *input_shape[2][1:3], channels)
