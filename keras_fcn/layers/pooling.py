"""Caffe's Pooling layer: windows that may hang over the edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._arguments import pair
from keras_fcn.layers._windows import Windows

_LOWEST = {"float16": -65504.0, "bfloat16": -3.3895313892515355e38}
_LOWEST_FLOAT32 = -3.4028234663852886e38  # Caffe's -FLT_MAX


class _CaffePooling2D(keras.layers.Layer):
    """What both poolings share: arguments, window geometry, padding."""

    def __init__(
        self,
        pool_size: int | Sequence[int] | None = None,
        strides: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        round_mode: str = "ceil",
        global_pooling: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = None if pool_size is None else pair(pool_size, "pool_size", 1)
        self.strides = pair(strides, "strides", 1)
        self.padding = pair(padding, "padding", 0)
        self.round_mode = round_mode
        self.global_pooling = global_pooling
        self.input_spec = keras.layers.InputSpec(ndim=4)
        self._windows = self._lay_windows()

    def _lay_windows(self) -> list[Windows]:
        if self.round_mode not in ("ceil", "floor"):
            raise ValueError(f"round_mode must be 'ceil' or 'floor'. Received: {self.round_mode!r}")
        received = (
            f"Received: pool_size={self.pool_size}, strides={self.strides}, padding={self.padding}"
        )
        if self.global_pooling:
            if (self.pool_size, self.strides, self.padding) != (None, (1, 1), (0, 0)):
                raise ValueError(
                    "global_pooling covers the whole map: leave pool_size, strides and padding "
                    f"out. {received}"
                )
            return []
        if self.pool_size is None:
            raise ValueError(f"pool_size is missing; only global_pooling needs none. {received}")
        axes = list(zip(self.pool_size, self.strides, self.padding, strict=True))
        if any(pad >= length for length, _, pad in axes):
            raise ValueError(f"padding must be smaller than pool_size. {received}")
        ceil, clip = self.round_mode == "ceil", any(self.padding)
        return [Windows(*axis, ceil=ceil, clip=clip) for axis in axes]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(N, H', W', C) by Caffe's size rule; an unknown H or W stays None.

        Raises:
            ValueError: not one window fits.
        """
        batch, *sizes, channels = input_shape
        if self.global_pooling:
            return (batch, 1, 1, channels)
        counts = [
            None if size is None else windows.count(size)
            for size, windows in zip(sizes, self._windows, strict=True)
        ]
        if any(count is not None and count < 1 for count in counts):
            raise ValueError(
                f"The map is too small for {self.name!r} with pool_size={self.pool_size}, "
                f"padding={self.padding}. Received: input_shape={tuple(input_shape)}"
            )
        return (batch, *counts, channels)

    def _pad(self, inputs: Any, value: float) -> tuple[Any, list[Any]]:
        """Pad to the end of the last window; also give the cells added after each axis."""
        ends = []
        for size, windows in zip(ops.shape(inputs)[1:3], self._windows, strict=True):
            constant = None if isinstance(size, int) else windows.constant_overhang()
            ends.append(windows.overhang(size) if constant is None else constant)
        if all(isinstance(end, int) and end == 0 for end in (*self.padding, *ends)):
            return inputs, ends
        # With unknown H and W this copies only where a window does hang over:
        # a padding of zero cells passes its input on.
        margins = [(0, 0), *zip(self.padding, ends, strict=True), (0, 0)]
        return ops.pad(inputs, margins, constant_values=value), ends

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "round_mode": self.round_mode,
            "global_pooling": self.global_pooling,
        }


@keras.saving.register_keras_serializable(package="keras_fcn")
class CaffeMaxPooling2D(_CaffePooling2D):
    """Maximum over windows, with Caffe's window positions (``pool: MAX``).

    Along an axis of H cells there are ceil((H + 2 * padding - pool_size) / strides) + 1
    windows, so the last one may hang over the edge. With padding on either axis a
    last window that would start at H + padding or later is dropped. Cells outside
    the map never win; a window without a cell inside gives the lowest finite number.

    The gradient of a window goes to its first maximum in row order, as in Caffe.
    Only global pooling of a map whose size is unknown when the graph is built
    divides it equally among equal maxima.

    Source: Caffe's ``pooling_layer.cpp``.

    Args:
        pool_size: window height and width in pixels, or one number for both; left
            out with ``global_pooling``.
        strides: pixels from one window to the next.
        padding: pixels added on both sides of each axis; below ``pool_size``.
        round_mode: ``"ceil"``, Caffe's default, or ``"floor"``.
        global_pooling: pool the whole map to 1 x 1.
        **kwargs: arguments of ``keras.layers.Layer``.

    Input shape:
        (N, H, W, C); H and W may be unknown until the graph runs.

    Output shape:
        (N, H', W', C); (N, 1, 1, C) with ``global_pooling``.

    Raises:
        ValueError: arguments that Caffe refuses too, or a map too small for a window.
    """

    def call(self, inputs: Any) -> Any:
        """Pool (N, H, W, C)."""
        sizes = tuple(inputs.shape[1:3])
        if self.global_pooling:
            if None in sizes:
                return ops.max(inputs, axis=(1, 2), keepdims=True)
            # Costs what ops.max does, and sends the gradient to the first of equal maxima.
            return ops.max_pool(inputs, sizes, 1, data_format="channels_last")
        like_same = (w.like_same(size) for w, size in zip(self._windows, sizes, strict=True))
        padding = "same" if all(like_same) else "valid"
        if padding == "valid":
            lowest = _LOWEST.get(self.compute_dtype, _LOWEST_FLOAT32)
            inputs, _ = self._pad(inputs, lowest)
        return ops.max_pool(
            inputs, self.pool_size, self.strides, padding, data_format="channels_last"
        )


@keras.saving.register_keras_serializable(package="keras_fcn")
class CaffeAveragePooling2D(_CaffePooling2D):
    """Mean over windows, with Caffe's window positions and divisors (``pool: AVE``).

    Windows, arguments, shapes and errors are those of :class:`CaffeMaxPooling2D`. Padding
    counts as zeros; cells behind it, where a last window hangs over, do not count. A
    window that lies wholly there gives NaN, as in Caffe.
    """

    def call(self, inputs: Any) -> Any:
        """Pool (N, H, W, C)."""
        if self.global_pooling:
            return ops.mean(inputs, axis=(1, 2), keepdims=True)
        padded, ends = self._pad(inputs, 0.0)
        means = ops.average_pool(padded, self.pool_size, self.strides, data_format="channels_last")
        within_padding = (
            isinstance(end, int) and end <= pad for end, pad in zip(ends, self.padding, strict=True)
        )
        if all(within_padding):
            return means
        return means * ops.cast(self._corrections(inputs, means), means.dtype)

    def _corrections(self, inputs: Any, means: Any) -> Any:
        """Cells of a whole window over those that count, (H', W', 1)."""
        sizes, counts = ops.shape(inputs)[1:3], ops.shape(means)[1:3]
        rows, columns = (
            ops.cast(windows.cells(*axis), "float32")
            for windows, *axis in zip(self._windows, sizes, counts, strict=True)
        )
        height, width = (windows.length for windows in self._windows)
        return height * width / (rows[:, None, None] * columns[:, None])
