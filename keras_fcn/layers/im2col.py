"""Caffe's Im2col layer."""

from __future__ import annotations

import itertools
import math
from typing import Any

import keras
from keras import ops

from keras_fcn.caffe.layers.convolution import conv_size
from keras_fcn.layers._axes import channels_first_shape
from keras_fcn.layers._windowed import Shape, WindowedLayer, padded


@keras.saving.register_keras_serializable(package="keras_fcn")
class Im2col(WindowedLayer):
    """The positions of every convolution window as channels.

    Channel c of the input, at tap (i, j) of the window, is output channel
    `(c * kernel height + i) * kernel width + j`.

    Source: Caffe's `im2col_layer.cpp`.

    Args:
        kernel_size: window sizes; this and the next three are one number for all spatial
            axes, or one for each.
        strides: positions from one window to the next.
        padding: zeros on both sides of each axis.
        dilation_rate: positions from one tap of a window to the next.
        axis: Caffe's axis of the channels: axes before it count images, axes behind it
            are spatial. The input is channels-last all the same.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C); spatial sizes may be unknown.

    Output shape:
        (N, ..., C * positions of a window)

    Raises:
        ValueError: arguments that Caffe refuses too, or an input that is too small.
    """

    def call(self, inputs: Any) -> Any:
        """Lay out the windows of (N, ..., C)."""
        axis = self._channel_axis(len(inputs.shape))
        return self._over_images(inputs, self._columns, channels_first_shape(inputs.shape)[axis])

    def _columns(self, x: Any) -> Any:
        axes = self._spatial(len(x.shape) - 2)
        x = padded(x, axes)
        cells = []
        for taps in itertools.product(*(range(axis.length) for axis in axes)):
            starts = [tap * axis.dilation for tap, axis in zip(taps, axes, strict=True)]
            cut = (
                slice(start, start + 1 - axis.extent or None, axis.stride)
                for start, axis in zip(starts, axes, strict=True)
            )
            cells.append(x[(slice(None), *cut)])
        columns = ops.stack(cells, axis=-1)
        return ops.reshape(columns, (*ops.shape(columns)[:-2], x.shape[-1] * len(cells)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape with a channel for each position of a window.

        Raises:
            ValueError: no window fits.
        """
        axis = self._channel_axis(len(input_shape))
        cells = math.prod(w.length for w in self._spatial(len(input_shape) - axis - 1))
        channels = channels_first_shape(input_shape)[axis]
        columns = None if channels is None else channels * cells
        return self._top_shape(input_shape, columns, conv_size)
