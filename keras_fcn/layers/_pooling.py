"""Base class of Caffe's pooling methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._arguments import pair
from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._largest import largest
from keras_fcn.layers._windows import Windows


class Pooling2D(CaffeLayer):
    """Base of all poolings: arguments, window geometry, padding, shape."""

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
        """Pad to the end of the last window; also give the positions added after each axis."""
        ends = []
        for size, windows in zip(ops.shape(inputs)[1:3], self._windows, strict=True):
            constant = None if isinstance(size, int) else windows.constant_overhang()
            ends.append(windows.overhang(size) if constant is None else constant)
        if all(isinstance(end, int) and end == 0 for end in (*self.padding, *ends)):
            return inputs, ends
        # With unknown H and W this copies only where a window does hang over:
        # a padding of zero positions passes its input on.
        margins = [(0, 0), *zip(self.padding, ends, strict=True), (0, 0)]
        padded = ops.pad(inputs, margins, constant_values=value)
        if not all(isinstance(end, int) for end in ends):
            # LiteRT's converter forgets the channels there, and has no convolution without.
            padded = ops.reshape(padded, (*ops.shape(padded)[:3], inputs.shape[-1]))
        return padded, ends


def window_cells(x: Any, windows: Sequence[Windows]) -> list[Any]:
    """The windows' first positions, second positions, ...: (N, H', W', C) each, row by row.

    Args:
        x: the padded map (N, H, W, C).
        windows: windows along height and width.
    """
    (high, down), (wide, right) = ((axis.length, axis.stride) for axis in windows)
    images, height, width, channels = ops.shape(x)
    rows, columns = (height - high) // down + 1, (width - wide) // right + 1
    # In blocks of strides every slice is contiguous; strided ones take many times as long.
    blocks = (height + down - 1) // down, (width + right - 1) // right
    margins = [(0, blocks[0] * down - height), (0, blocks[1] * right - width)]
    x = ops.pad(x, [(0, 0), *margins, (0, 0)])
    x = ops.reshape(x, (images, blocks[0], down, blocks[1], right * channels))
    cells = []
    for i in range(high):
        for j in range(wide):
            row, column, place = i // down, j // right, j % right * channels
            block = x[:, row : row + rows, i % down, column : column + columns]
            cells.append(block[..., place : place + channels])
    return cells


def first_maximum(x: Any) -> tuple[Any, Any]:
    """Maxima of whole maps (N, H, W, C), and the first place of each: (N, C) both.

    The gradient goes to that place only, as in Caffe.
    """
    images, height, width, channels = ops.shape(x)
    cells = ops.swapaxes(ops.reshape(x, (images, height * width, channels)), 1, 2)
    # Keras' argmax on the CPU looks at bits, which ONNX cannot.
    maxima, places = largest(cells, 1)
    return maxima[..., 0], places[..., 0]
