"""Caffe's Deconvolution layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.caffe.layers.deconvolution import deconv_size
from keras_fcn.layers._convolve import convolve
from keras_fcn.layers._kernel_layer import KernelLayer
from keras_fcn.layers._windowed import SpatialAxis

# Strides from which on a kernel over all channels is computed phase by phase, too. With 21
# channels on two CPU cores, stride 32 took 27 ms instead of 62, stride 8 took 12 instead of 25.
_FAR = 4


@keras.saving.register_keras_serializable(package="keras_fcn")
class Deconvolution(KernelLayer):
    """Transposed convolution over 0 to 3 spatial axes, with groups, of one input or several.

    Every input position adds its multiple of the kernel to the output, `strides` positions
    apart; `padding` positions are then cut from both ends. Keras' `Conv2DTranspose` has no
    groups. A deconvolution of each channel by itself, the usual bilinear upsampling, and
    one with large strides are computed as convolutions, one for each row between two
    input rows: the work is that of the output's positions times the taps that reach each.

    Source: Caffe's `deconv_layer.cpp`.

    Args:
        filters: number of output channels, a multiple of `groups`.
        kernel_size: window sizes; this and the next three are one number for all spatial
            axes, or one for each.
        strides: output positions from one input position to the next.
        padding: positions that are cut from both ends of each axis.
        dilation_rate: positions from one tap of the kernel to the next.
        groups: parts of the channels that are kept apart; C keeps each by itself.
        axis: Caffe's axis of the channels: axes before it count images, axes behind it
            are spatial. The input is channels-last all the same.
        use_bias: add a bias.
        kernel_initializer: first values of the kernel, (..., filters / groups, C).
        bias_initializer: first values of the bias, (filters,).
        may_be_empty: see `keras_fcn.layers.GroupedConv2D`.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C), or a list of such; spatial sizes may be unknown.

    Output shape:
        (N, ..., filters), or a list of such: `strides * (size - 1) + dilation_rate *
        (kernel_size - 1) + 1 - 2 * padding` positions along each spatial axis.

    Raises:
        ValueError: arguments that Caffe refuses too, more than three spatial axes, or a
            padding that leaves nothing.
    """

    size_rule = staticmethod(deconv_size)

    def _kernel_channels(self, channels: int) -> tuple[int, int]:
        return self.filters // self.groups, channels

    def _images(self, x: Any) -> Any:
        axes = self._spatial(len(x.shape) - 2)
        if not axes:
            return self._by_groups(_product, x, self.kernel)
        kernel = _dilated(self.kernel, axes)
        channelwise = self.groups == self._channels
        far = self.groups == 1 and min(axis.stride for axis in axes) >= _FAR
        if len(axes) == 2 and (channelwise or far):
            outputs = self._by_phases(x, kernel, axes, channelwise)
            lengths = [_taps(axis) * axis.stride for axis in axes]
        else:
            strides = tuple(axis.stride for axis in axes)

            def transposed(x: Any, kernel: Any) -> Any:
                return ops.conv_transpose(x, kernel, strides, data_format="channels_last")

            outputs = self._by_groups(transposed, x, kernel)
            lengths = [max(axis.extent, axis.stride) for axis in axes]
        # Where one input position made `length` output positions, its kernel ends earlier.
        ends = [axis.pad + n - axis.extent for n, axis in zip(lengths, axes, strict=True)]
        cut = (slice(axis.pad, -end or None) for axis, end in zip(axes, ends, strict=True))
        return outputs[(slice(None), *cut)]

    def _by_phases(
        self, x: Any, kernel: Any, axes: Sequence[SpatialAxis], channelwise: bool
    ) -> Any:
        """Rows of output positions that lie alike between two input rows, and so the columns.

        A convolution gives all positions between two input columns as channels; stacking the
        rows then puts every position where it belongs, without moving it again.
        """
        (high, wide), taps = (axis.stride for axis in axes), [*map(_taps, axes)]
        missing = [n * axis.stride - axis.extent for n, axis in zip(taps, axes, strict=True)]
        kernel = ops.pad(kernel, [*((0, end) for end in missing), (0, 0), (0, 0)])
        outputs, inputs = kernel.shape[2:]
        kernel = ops.reshape(kernel, (taps[0], high, taps[1], wide, outputs, inputs))
        kernel = ops.flip(kernel, (0, 2))
        x = ops.pad(x, [(0, 0), *((n - 1, n - 1) for n in taps), (0, 0)])
        if channelwise:
            kernel = ops.transpose(kernel, (1, 0, 2, 3, 5, 4))
            kernel = ops.reshape(kernel, (high, *taps, wide * self.filters, 1))
            x = x if outputs == 1 else ops.repeat(x, outputs, axis=-1)
            x = ops.tile(x, (1, 1, 1, wide))
        else:
            kernel = ops.transpose(kernel, (1, 0, 2, 5, 3, 4))
            kernel = ops.reshape(kernel, (high, *taps, inputs, wide * self.filters))
        phases = [
            convolve(
                x,
                row,
                (1, 1),
                "valid",
                (1, 1),
                depthwise=channelwise,
                may_be_empty=self.may_be_empty,
            )
            for row in ops.unstack(kernel)
        ]
        cells = ops.stack(phases, axis=2)
        images, rows, _, columns, _ = ops.shape(cells)
        return ops.reshape(cells, (images, rows * high, columns * wide, self.filters))


def _product(x: Any, kernel: Any) -> Any:
    return ops.matmul(x, ops.transpose(kernel))


def _taps(axis: SpatialAxis) -> int:
    """Largest number of input positions that reach an output position."""
    return -(-axis.extent // axis.stride)


def _dilated(kernel: Any, axes: Sequence[SpatialAxis]) -> Any:
    """A kernel with zeros between its taps. No backend dilates transposed ones everywhere."""
    for index, axis in enumerate(axes):
        if axis.dilation > 1:
            shape = list(kernel.shape)
            margins = [(0, 0)] * (len(shape) + 1)
            margins[index + 1] = (0, axis.dilation - 1)
            spread = ops.pad(ops.expand_dims(kernel, index + 1), margins)
            shape[index] *= axis.dilation
            inside = (slice(None),) * index + (slice(axis.extent),)
            kernel = ops.reshape(spread, shape)[inside]
    return kernel
