"""C3D's Pooling3D: windows over frames, rows and columns that may hang over the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.pooling import pool_size as windows_along
from keras_fcn.layers._arguments import sizes
from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._windows import Windows

Shape = tuple[int | None, ...]

_LOWEST = {"float16": -65504.0, "bfloat16": -3.3895313892515355e38}
_LOWEST_FLOAT32 = -3.4028234663852886e38  # Caffe's -FLT_MAX


@keras.saving.register_keras_serializable(package="keras_fcn")
class Pooling3D(CaffeLayer):
    """Maximum or mean over windows of frames, rows and columns.

    Along an axis of L positions there are ceil((L + 2 * padding - pool_size) / strides) + 1
    windows. Positions behind the end never win, and do not count in the mean; padding does, as
    zeros. The gradient goes to the first of equal maxima, where Caffe sends it to all.

    Source: `pool3d_layer.cpp` of facebookarchive/C3D, v1.1.

    Args:
        pool_size: frames, height and width of a window, or one number for all.
        strides: steps from one window to the next.
        padding: zeros on both sides of each axis; for the mean only.
        method: `"max"` or `"ave"`.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, L, H, W, C).

    Output shape:
        (N, L', H', W', C).

    Raises:
        ValueError: arguments that Caffe refuses too, or a clip too small for a window.
    """

    def __init__(
        self,
        pool_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        method: str = "max",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size, self.strides, self.padding = (
            _three(*argument)
            for argument in (
                (pool_size, "pool_size", 1),
                (strides, "strides", 1),
                (padding, "padding", 0),
            )
        )
        self.method = method
        if method not in ("max", "ave") or (method == "max" and any(self.padding)):
            raise ValueError(
                "method must be 'max', without padding, or 'ave'. "
                f"Received: method={method!r}, padding={self.padding}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=5)
        axes = zip(self.pool_size, self.strides, self.padding, strict=True)
        self._windows = [Windows(*axis, ceil=True, clip=False) for axis in axes]

    def call(self, inputs: Any) -> Any:
        """Pool (N, L, H, W, C)."""
        lengths = ops.shape(inputs)[1:4]
        ends = [
            windows.overhang(size) for windows, size in zip(self._windows, lengths, strict=True)
        ]
        margins = [(0, 0), *zip(self.padding, ends, strict=True), (0, 0)]
        if self.method == "max":
            # Of float16 TensorFlow has none over three axes on a CPU.
            x = ops.cast(inputs, "float32" if self.compute_dtype == "float16" else inputs.dtype)
            lowest = _LOWEST.get(self.compute_dtype, _LOWEST_FLOAT32)
            x = ops.pad(x, margins, constant_values=lowest)
            x = ops.max_pool(x, self.pool_size, self.strides, data_format="channels_last")
            return ops.cast(x, inputs.dtype)
        x = ops.pad(inputs, margins)
        means = ops.average_pool(x, self.pool_size, self.strides, data_format="channels_last")
        counts = ops.shape(means)[1:4]
        for axis, (windows, size, count) in enumerate(
            zip(self._windows, lengths, counts, strict=True)
        ):
            cells = ops.cast(windows.cells(size, count), "float32")
            share = ops.reshape(windows.length / cells, (-1, *(1,) * (3 - axis)))
            means = means * ops.cast(share, means.dtype)
        return means

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """By Caffe's size rule; an unknown size stays None."""
        batch, *lengths, channels = input_shape
        along = zip(lengths, self.pool_size, self.strides, self.padding, strict=True)
        try:
            counts = [windows_along(*axis, "CEIL", clip=False) for axis in along]
        except NetworkError as error:
            raise ValueError(f"{error}. Received: input_shape={tuple(input_shape)}") from error
        return (batch, *counts, channels)


def _three(value: int | Sequence[int], name: str, minimum: int) -> tuple[int, ...]:
    numbers = sizes(value, name, minimum)
    if len(numbers) not in (1, 3):
        raise ValueError(f"{name} must be one number or three. Received: {value!r}")
    return numbers * 3 if len(numbers) == 1 else numbers
