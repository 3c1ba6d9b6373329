"""The Interp layer of the DeepLab and PSPNet forks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.caffe.layers.interp import interp_size
from keras_fcn.layers._arguments import pair
from keras_fcn.layers._base import CaffeLayer


@keras.saving.register_keras_serializable(package="keras_fcn")
class Interp(CaffeLayer):
    """Bilinear resizing in which the corner pixels keep their positions.

    Along an axis resized from n to m pixels, pixel i takes its value from the place
    i * (n - 1) / (m - 1) of the input, between two pixels; from 0 where m is 1.

    Source: the DeepLab v2 Caffe, `interp_layer.cpp` and `interp.cpp`, as in
    maweifei/deeplab-ver2 and hszhao/PSPNet.

    Args:
        size: the output's height and width in pixels; None: by the factors, or else that
            of the second input.
        zoom_factor: n pixels become (n - 1) * `zoom_factor` + 1, after shrinking.
        shrink_factor: n pixels become (n - 1) // `shrink_factor` + 1.
        pad_beg: less than 0: pixels that are first cut from the beginning of each axis.
        pad_end: less than 0: pixels that are first cut from its end.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, H, W, C), or a list of it and a tensor of the wanted height and width. H and W
        may be unknown until the graph runs.

    Output shape:
        (N, H', W', C).

    Raises:
        ValueError: a size and a factor are given, a factor is below 1, a padding above 0,
            or nothing is left of the input.
    """

    def __init__(
        self,
        size: Sequence[int] | None = None,
        zoom_factor: int | None = None,
        shrink_factor: int | None = None,
        pad_beg: int = 0,
        pad_end: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = None if size is None else pair(size, "size", 1)
        self.zoom_factor = zoom_factor
        self.shrink_factor = shrink_factor
        self.pad_beg = pad_beg
        self.pad_end = pad_end
        factors = [factor for factor in (zoom_factor, shrink_factor) if factor is not None]
        if factors and (size is not None or min(factors) < 1):
            raise ValueError(
                "factors must be at least 1, and None beside a size. Received: "
                f"size={size}, zoom_factor={zoom_factor}, shrink_factor={shrink_factor}"
            )
        if max(pad_beg, pad_end) > 0:
            raise ValueError(
                "pad_beg and pad_end cut pixels, they must be 0 or less. Received: "
                f"pad_beg={pad_beg}, pad_end={pad_end}"
            )

    def call(self, inputs: Any) -> Any:
        """Resize (N, H, W, C), or the first of two inputs to the second's size."""
        x = inputs[0] if isinstance(inputs, list | tuple) else inputs
        shapes = [ops.shape(tensor) for tensor in keras.tree.flatten(inputs)]
        for axis, wanted in zip((1, 2), self._sizes(shapes), strict=True):
            x = self._resize(x, axis, wanted)
        return x

    def _sizes(self, shapes: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
        """Height and width of the output for the shapes of the inputs."""
        rule = (self.pad_beg + self.pad_end, self.zoom_factor, self.shrink_factor)
        sizes = tuple(interp_size(size, *rule) for size in shapes[0][1:3])
        if self.zoom_factor is None and self.shrink_factor is None:
            if self.size is not None:
                return self.size
            if len(shapes) > 1:
                return tuple(shapes[1][1:3])
        return sizes

    def _resize(self, x: Any, axis: int, wanted: Any) -> Any:
        size = ops.shape(x)[axis]
        length = size + self.pad_beg + self.pad_end
        if isinstance(length, int) and isinstance(wanted, int):
            if length == wanted:
                cut = slice(-self.pad_beg, size + self.pad_end)
                return x[:, cut] if axis == 1 else x[:, :, cut]
            step = np.float32(length - 1) / np.float32(max(wanted - 1, 1)) * (wanted > 1)
        else:
            last = ops.cast(wanted - 1, "float32")
            step = ops.cast(length - 1, "float32") / ops.maximum(last, 1.0)
        # As in Caffe: for one pixel the place is 0 * step.
        places = ops.arange(wanted, dtype="float32") * step
        low = ops.floor(places)
        high = ops.minimum(low + 1, ops.cast(length - 1, "float32"))
        share = ops.cast(places - low, x.dtype)
        share = ops.reshape(share, (-1, 1, 1) if axis == 1 else (-1, 1))
        before, after = (
            ops.take(x, ops.cast(index, "int32") - self.pad_beg, axis=axis) for index in (low, high)
        )
        return before * (1 - share) + after * share

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """(N, H', W', C)."""
        several = bool(input_shape) and isinstance(input_shape[0], list | tuple)
        shapes = input_shape if several else [input_shape]
        return (shapes[0][0], *self._sizes(shapes), shapes[0][3])
