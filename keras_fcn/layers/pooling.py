"""Caffe's Pooling layer: windows that may hang over the edge."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._arguments import pair
from keras_fcn.layers._pooling import Pooling2D, first_maximum, window_cells
from keras_fcn.layers._spatial import keeps_layout, max_pool
from keras_fcn.layers._windows import Windows

_LOWEST = {"float16": -65504.0, "bfloat16": -3.3895313892515355e38}
LOWEST_FLOAT32 = -3.4028234663852886e38  # Caffe's -FLT_MAX


@keras.saving.register_keras_serializable(package="keras_fcn")
class CaffeMaxPooling2D(Pooling2D):
    """Maximum over windows, with Caffe's window positions (`pool: MAX`).

    Along an axis of H positions there are ceil((H + 2 * padding - pool_size) / strides) + 1
    windows, so the last one may hang over the edge. With padding on either axis a
    last window that would start at H + padding or later is dropped. Positions outside
    the map never win; a window without a position inside gives the lowest finite number.

    The gradient of a window goes to its first maximum in row order, as in Caffe.
    Only global pooling of a map whose size is unknown when the graph is built
    divides it equally among equal maxima.

    Source: Caffe's `pooling_layer.cpp`.

    Args:
        pool_size: window height and width in pixels, or one number for both; left
            out with `global_pooling`.
        strides: pixels from one window to the next.
        padding: pixels added on both sides of each axis; below `pool_size`.
        round_mode: `"ceil"`, Caffe's default, or `"floor"`.
        global_pooling: pool the whole map to 1 x 1.
        return_mask: also give where in its channel's plane each maximum is.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, H, W, C); H and W may be unknown until the graph runs.

    Output shape:
        (N, H', W', C); (N, 1, 1, C) with `global_pooling`. With `return_mask` a pair:
        the maxima, and the mask, `row * W + column` as a float32, -1 for a window
        without a position inside.

    Raises:
        ValueError: arguments that Caffe refuses too, or a map too small for a window.
    """

    def __init__(self, *args: Any, return_mask: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.return_mask = return_mask

    def call(self, inputs: Any) -> Any:
        """Pool (N, H, W, C)."""
        if self.return_mask:
            return self._global_mask(inputs) if self.global_pooling else self._mask(inputs)
        sizes = tuple(inputs.shape[1:3])
        if self.global_pooling:
            if None in sizes:
                return ops.max(inputs, axis=(1, 2), keepdims=True)
            # Costs what ops.max does, and sends the gradient to the first of equal maxima.
            return max_pool(inputs, sizes, (1, 1))
        like_same = (w.like_same(size) for w, size in zip(self._windows, sizes, strict=True))
        padding = "same" if all(like_same) else "valid"
        if padding == "valid":
            inputs, _ = self._pad(inputs, self._lowest)
        return max_pool(inputs, self._lengths, self.strides, padding)

    @property
    def _lengths(self) -> tuple[int, ...]:
        return tuple(windows.length for windows in self._windows)

    @property
    def _lowest(self) -> float:
        return _LOWEST.get(self.compute_dtype, LOWEST_FLOAT32)

    def _mask(self, inputs: Any) -> tuple[Any, Any]:
        """Maxima, and where they are: the first position of a window that equals its maximum."""
        if keeps_layout(inputs) and self._alike():
            return self._torch_mask(inputs)
        width = ops.shape(inputs)[2]
        padded, _ = self._pad(inputs, self._lowest)
        maxima = max_pool(padded, self._lengths, self.strides)
        cells = enumerate(window_cells(padded, self._windows))
        # Whole numbers until the end: what a file's constants are rounded to could not count.
        steps = ops.zeros_like(maxima, "int32")
        for index, cell in reversed(list(cells)):
            row, column = divmod(index, self._windows[1].length)
            steps = ops.where(ops.equal(cell, maxima), row * width + column, steps)
        rows, columns = (
            ops.arange(count, dtype="int32") * stride - pad
            for count, stride, pad in zip(
                ops.shape(maxima)[1:3], self.strides, self.padding, strict=True
            )
        )
        starts = rows[:, None, None] * width + columns[:, None]
        places = ops.where(maxima > self._lowest, starts + steps, -1)
        return maxima, ops.cast(places, "float32")

    def _alike(self) -> bool:
        """Whether PyTorch lays the windows as Caffe does: none begins behind the map."""
        fits = zip(self._lengths, self.strides, self.padding, strict=True)
        return self.round_mode == "ceil" and all(
            stride <= length and 2 * pad <= length for length, stride, pad in fits
        )

    def _torch_mask(self, inputs: Any) -> tuple[Any, Any]:
        from torch.nn.functional import max_pool2d

        maxima, places = max_pool2d(
            inputs.permute(0, 3, 1, 2),
            self._lengths,
            self.strides,
            self.padding,
            ceil_mode=True,
            return_indices=True,
        )
        maxima, places = (x.permute(0, 2, 3, 1) for x in (maxima, places))
        return maxima, places.float().masked_fill(maxima <= self._lowest, -1.0)

    def _global_mask(self, inputs: Any) -> tuple[Any, Any]:
        maxima, places = (ops.expand_dims(x, (1, 2)) for x in first_maximum(inputs))
        return maxima, ops.cast(places, "float32")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> Any:
        """As without a mask, or twice that."""
        shape = super().compute_output_shape(input_shape)
        return (shape, shape) if self.return_mask else shape

    def compute_output_spec(self, inputs: Any, **kwargs: Any) -> Any:
        """The mask is float32 whatever the dtype policy: float16 cannot count that far."""
        spec = super().compute_output_spec(inputs, **kwargs)
        return (spec[0], keras.KerasTensor(spec[1].shape, "float32")) if self.return_mask else spec


@keras.saving.register_keras_serializable(package="keras_fcn")
class CaffeAveragePooling2D(Pooling2D):
    """Mean over windows, with Caffe's window positions and divisors (`pool: AVE`).

    Windows, arguments, shapes and errors are those of `CaffeMaxPooling2D`. Padding
    counts as zeros; positions behind it, where a last window hangs over, do not count. A
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
        """Positions of a whole window over those that count, (H', W', 1)."""
        sizes, counts = ops.shape(inputs)[1:3], ops.shape(means)[1:3]
        rows, columns = (
            ops.cast(windows.cells(*axis), "float32")
            for windows, *axis in zip(self._windows, sizes, counts, strict=True)
        )
        height, width = (windows.length for windows in self._windows)
        return height * width / (rows[:, None, None] * columns[:, None])


@keras.saving.register_keras_serializable(package="keras_fcn")
class ExclusiveAveragePooling2D(Pooling2D):
    """Mean over the positions of each window that lie in the map: padding does not count.

    Windows, arguments, shapes and errors are those of `CaffeMaxPooling2D`.
    Sources: Intel's Caffe (`avg_include_pad: false`), Synopsys' (`pool: AVE_EXC_PAD`).
    """

    def call(self, inputs: Any) -> Any:
        """Pool (N, H, W, C)."""
        if self.global_pooling:
            return ops.mean(inputs, axis=(1, 2), keepdims=True)
        means, shares = (
            ops.average_pool(
                self._pad(x, 0.0)[0], self.pool_size, self.strides, data_format="channels_last"
            )
            for x in (inputs, ops.ones_like(inputs[:1, ..., :1]))
        )
        return means / shares


@keras.saving.register_keras_serializable(package="keras_fcn")
class DilatedMaxPooling2D(Pooling2D):
    """Maximum over windows whose positions lie `dilation` steps apart.

    Windows reach over dilation * (pool_size - 1) + 1 positions and lie as those of
    `CaffeMaxPooling2D`, whose arguments, shapes and errors these are too.

    Args:
        pool_size: height and width of a window in positions, or one number for both.
        dilation: steps from one position of a window to the next, or a (height, width) pair.
        **kwargs: `strides`, `padding` and `round_mode`.
    """

    def __init__(
        self, pool_size: int | tuple[int, int], dilation: int | tuple[int, int] = 1, **kwargs: Any
    ) -> None:
        self.dilation = pair(dilation, "dilation", 1)
        super().__init__(pool_size, **kwargs)

    def _lay_windows(self) -> list[Windows]:
        return [
            replace(windows, length=step * (windows.length - 1) + 1)
            for windows, step in zip(super()._lay_windows(), self.dilation, strict=True)
        ]

    def call(self, inputs: Any) -> Any:
        """Pool (N, H, W, C)."""
        lowest = _LOWEST.get(self.compute_dtype, LOWEST_FLOAT32)
        padded, _ = self._pad(inputs, lowest)
        width = self._windows[1].length
        cells = [
            cell
            for index, cell in enumerate(window_cells(padded, self._windows))
            if index // width % self.dilation[0] == 0 and index % width % self.dilation[1] == 0
        ]
        return functools.reduce(ops.maximum, cells)
