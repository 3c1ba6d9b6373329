"""Pooling without its strides, for maps that are denser than Caffe's."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._arguments import pair
from keras_fcn.layers._base import CaffeLayer

_POOLS = ("average", "max")


@keras.saving.register_keras_serializable(package="keras_fcn")
class DensePooling2D(CaffeLayer):
    """Pooling over windows with gaps, at every position.

    What a pooling layer becomes when its strides, and those before it, are taken out
    (a trous): every `dilation_rate`-th position pools as the layer did before. Windows
    may reach past the padding by `overhang` positions, as the last ones do under
    Caffe's rounding; averages count the padding, and not the overhang, as in Caffe.

    Args:
        pool: `"max"` or `"average"`.
        pool_size: taps of a window along height and width.
        strides: positions from one window to the next.
        padding: positions on both sides of height and width.
        dilation_rate: positions from one tap to the next.
        overhang: positions behind the padding, along height and width.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, H, W, C)

    Output shape:
        (N, H', W', C), H' = (H + 2 padding + overhang - dilation_rate (pool_size - 1) - 1)
        // strides + 1.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        pool: str,
        pool_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation_rate: int | Sequence[int] = 1,
        overhang: int | Sequence[int] = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if pool not in _POOLS:
            raise ValueError(f"pool must be one of {_POOLS}. Received: pool={pool!r}")
        self.pool = pool
        self.pool_size = pair(pool_size, "pool_size", 1)
        self.strides = pair(strides, "strides", 1)
        self.padding = pair(padding, "padding", 0)
        self.dilation_rate = pair(dilation_rate, "dilation_rate", 1)
        self.overhang = pair(overhang, "overhang", 0)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: Any) -> Any:
        """Pool (N, H, W, C): along the height, then along the width."""
        average = self.pool == "average"
        margins = [(0, 0), *((p, p + o) for p, o in zip(self.padding, self.overhang, strict=True))]
        lowest = 0.0 if average else float("-inf")
        x = ops.pad(inputs, [*margins, (0, 0)], constant_values=lowest)
        for axis in (1, 2):
            join = ops.add if average else ops.maximum
            x = functools.reduce(join, self._taps(x, axis))
            if average:
                x = x / self._counts(ops.shape(inputs)[axis], axis, x.dtype)
        return x

    def _taps(self, x: Any, axis: int) -> list[Any]:
        """The windows' first positions along an axis, their second positions, ..."""
        length, step, stride = (
            field[axis - 1] for field in (self.pool_size, self.dilation_rate, self.strides)
        )
        reach = (length - 1) * step
        before = (slice(None),) * axis
        return [
            x[(*before, slice(tap, tap - reach or None, stride))]
            for tap in range(0, reach + 1, step)
        ]

    def _counts(self, size: Any, axis: int, dtype: str) -> Any:
        """Positions of each window that count, shaped to divide by."""
        pad, end = self.padding[axis - 1], self.overhang[axis - 1]
        ones = ops.ones((1, *([1] * (axis - 1)), size + 2 * pad, *([1] * (3 - axis))), dtype)
        margins = [(0, 0)] * 4
        margins[axis] = (0, end)
        return functools.reduce(ops.add, self._taps(ops.pad(ones, margins), axis))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(N, H', W', C); an unknown H or W stays None.

        Raises:
            ValueError: not one window fits.
        """
        batch, *sizes, channels = input_shape
        fields = (self.pool_size, self.strides, self.padding, self.dilation_rate, self.overhang)
        counts = [
            None if size is None else (size + 2 * pad + end - (length - 1) * step - 1) // stride + 1
            for size, length, stride, pad, step, end in zip(sizes, *fields, strict=True)
        ]
        if any(count is not None and count < 1 for count in counts):
            raise ValueError(
                f"The map is too small for {self.name!r}. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        return (batch, *counts, channels)
