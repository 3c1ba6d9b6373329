"""Resize of the Caffe of happynear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.caffe.layers import flow
from keras_fcn.layers._interpolation import positions, resampled, tents
from keras_fcn.layers._rescaled import Rescaled


@keras.saving.register_keras_serializable(package="keras_fcn")
class Resize(Rescaled):
    """Bilinear resizing where position i looks at place i * H / H'.

    A neighbour beyond the last row or column counts as 0, so that an enlarged map grows
    dark there, as in Caffe.

    Source: `resize_layer.cpp` and `util_img.cpp` of happynear/caffe-windows.

    Args:
        size: height and width of the output.
        scale: factors for height and width instead; the product is rounded down.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, H, W, C).

    Output shape:
        (N, H', W', C).
    """

    def __init__(
        self,
        size: Sequence[int] | None = None,
        scale: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (size is None) == (scale is None):
            raise ValueError(f"give either size or scale. Received: size={size}, scale={scale}")
        self.size = None if size is None else tuple(size)
        self.scale = None if scale is None else tuple(scale)

    def _rule(self) -> flow.Resize:
        height, width = self.size or (0, 0)
        by_height, by_width = self.scale or (0.0, 0.0)
        return flow.Resize(
            is_pyramid_test=self.size is None,
            height=height,
            width=width,
            out_height_scale=by_height,
            out_width_scale=by_width,
        )

    def call(self, inputs: Any) -> Any:
        """Resize (N, H, W, C)."""
        before = ops.shape(inputs)[1:3]
        after = self.size or tuple(map(_scaled, before, self.scale or ()))
        rows, columns = (
            tents(positions(new) * (ops.cast(old, "float32") / ops.cast(new, "float32")), old)
            for old, new in zip(before, after, strict=True)
        )
        return resampled(inputs, rows, columns)


def _scaled(size: Any, scale: float) -> Any:
    if isinstance(size, int):
        return int(scale * size)
    return ops.cast(ops.cast(size, "float32") * scale, "int32")
