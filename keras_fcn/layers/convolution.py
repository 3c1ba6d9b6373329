"""Caffe's Convolution layer, where Keras' convolutions differ."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_fcn.caffe.layers.convolution import conv_size
from keras_fcn.layers._convolve import convolve
from keras_fcn.layers._kernel_layer import KernelLayer
from keras_fcn.layers._windowed import padded


@keras.saving.register_keras_serializable(package="keras_fcn")
class Convolution(KernelLayer):
    """Convolution over 0 to 3 spatial axes, of any number of inputs with one kernel.

    Unlike Keras' own it pads both sides alike, takes strides together with a dilation
    rate, has its channels at any axis, and, where strides are above 1, makes one output
    of an input that is too small for the kernel, with zeros behind its end. Groups are
    computed one by one: over two spatial axes `GroupedConv2D` is faster.

    Source: Caffe's `base_conv_layer.cpp`.

    Args:
        filters: number of output channels, a multiple of `groups`.
        kernel_size: window sizes; this and the next three are one number for all spatial
            axes, or one for each.
        strides: positions from one window to the next.
        padding: zeros on both sides of each axis.
        dilation_rate: positions from one tap of a window to the next.
        groups: parts of the channels that are convolved apart.
        axis: Caffe's axis of the channels: axes before it count images, axes behind it
            are spatial. The input is channels-last all the same.
        use_bias: add a bias.
        kernel_initializer: first values of the kernel, (..., C / groups, filters).
        bias_initializer: first values of the bias, (filters,).
        may_be_empty: see `keras_fcn.layers.GroupedConv2D`.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C), or a list of such.

    Output shape:
        (N, ..., filters), or a list of such.

    Raises:
        ValueError: arguments that Caffe refuses too, more than three spatial axes, or an
            input that is too small.
    """

    size_rule = staticmethod(conv_size)

    def _kernel_channels(self, channels: int) -> tuple[int, int]:
        return channels // self.groups, self.filters

    def _images(self, x: Any) -> Any:
        if len(x.shape) == 2:
            return self._by_groups(ops.matmul, x, self.kernel)
        axes = self._spatial(len(x.shape) - 2)
        strides, dilation = (
            tuple(getattr(axis, name) for axis in axes) for name in ("stride", "dilation")
        )

        def run(x: Any, kernel: Any) -> Any:
            return convolve(x, kernel, strides, "valid", dilation, may_be_empty=self.may_be_empty)

        return self._by_groups(run, padded(x, axes), self.kernel)
