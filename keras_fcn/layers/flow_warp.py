"""FlowNet's FlowWarp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._interpolation import positions

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class FlowWarp(CaffeLayer):
    """An image as a flow field sees it: bilinear samples at (x + u, y + v).

    Places outside the image are filled; between the last position and the border counts as
    inside. Gradients go to image and flow.

    Source: `flow_warp_layer.cpp` of lmb-freiburg/flownet2.

    Args:
        fill_value: what positions outside get.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        [(N, H, W, C), (N, H, W, 2)]: the image, and (u, v), in positions right and down.

    Output shape:
        (N, H, W, C).
    """

    def __init__(self, fill_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fill_value = fill_value

    def call(self, inputs: Sequence[Any]) -> Any:
        """Warp an image."""
        image, flow = inputs
        count, height, width, channels = ops.shape(image)
        # Half precision counts positions to 2048 only.
        flow = ops.cast(flow, "float32")
        x = flow[..., 0] + positions(width)
        y = flow[..., 1] + positions(height)[:, None]
        wide, high = (ops.cast(size, "float32") for size in (width, height))
        inside = (x >= 0.0) & (y >= 0.0) & (x < wide) & (y < high)
        x, y = (ops.where(inside, axis, ops.zeros_like(axis)) for axis in (x, y))
        left, top = ops.floor(x), ops.floor(y)
        alpha, beta = (
            ops.cast(ops.expand_dims(part, -1), image.dtype) for part in (x - left, y - top)
        )
        columns = [ops.cast(left, "int32"), ops.cast(ops.minimum(left + 1.0, wide - 1.0), "int32")]
        rows = [ops.cast(top, "int32"), ops.cast(ops.minimum(top + 1.0, high - 1.0), "int32")]
        flat = ops.reshape(image, (count * height * width, channels))
        images = ops.arange(count, dtype="int32")[:, None, None] * height

        def at(row: Any, column: Any) -> Any:
            return ops.take(flat, (images + row) * width + column, axis=0)

        upper, lower = (
            (1.0 - alpha) * at(row, columns[0]) + alpha * at(row, columns[1]) for row in rows
        )
        warped = (1.0 - beta) * upper + beta * lower
        fill = ops.full_like(warped, self.fill_value)
        return ops.where(ops.expand_dims(inside, -1), warped, fill)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """The image's."""
        return tuple(input_shape[0])
