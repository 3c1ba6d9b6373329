"""Convolution in groups, as fast and exportable as an ordinary one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._arguments import pair
from keras_fcn.layers._convolve import convolve

# Weights (16 MB) from which on a matrix product is faster. A convolution on the CPU reads
# the kernel again for every image and for every row of the map: with fc6 of CaffeNet an
# 8 x 8 map took five times as long, and ten vectors as well.
LARGE_KERNEL = 4_000_000


@keras.saving.register_keras_serializable(package="keras_fcn")
class GroupedConv2D(keras.layers.Conv2D):
    """`Conv2D` as Caffe has it: groups, kernels the size of an inner product's, empty batches.

    Arguments, weights and results are those of `keras.layers.Conv2D`: a kernel
    (kh, kw, C / groups, filters) whose filters lie group by group, which is also
    the order of Caffe's `group`. Keras computes groups on the CPU through XLA,
    which is slower and gives ONNX graphs that onnxruntime refuses; here the
    input is split, or goes through one depthwise convolution when every group
    has a single channel. Windows without stride and padding are multiplied with a
    large kernel as matrices, all positions of all images at once.

    Unlike `Conv2D` it also takes strides together with a dilation rate, as
    Caffe does, for `padding="valid"`, and unequal strides of a depthwise convolution.

    On CPUs with oneDNN, TensorFlow 2.21 corrupts memory in the gradient of a stock
    `Conv2D(filters, 1, strides=2)` on few channels, and gives an empty batch the shape
    of the input; this layer does neither.

    Args:
        filters: number of output channels, a multiple of `groups`.
        kernel_size: window height and width, or one number for both.
        strides: strides along height and width.
        may_be_empty: whether a batch may turn out empty at run time, as that of the boxes
            that a network found; TensorFlow's convolution then has to be told its shape.
        **kwargs: all other arguments of `keras.layers.Conv2D`.

    Input shape:
        (N, H, W, C), C a multiple of `groups`.

    Output shape:
        (N, H', W', filters)

    Raises:
        ValueError: a `data_format` other than channels-last, strides with a dilation
            rate and `padding="same"`, or what `Conv2D` refuses.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        may_be_empty: bool = False,
        **kwargs: Any,
    ) -> None:
        # Conv2D's constructor would refuse strides next to a dilation rate.
        super().__init__(filters, kernel_size, **{"data_format": "channels_last", **kwargs})
        self.strides = pair(strides, "strides", 1)
        self.may_be_empty = may_be_empty
        if self.data_format != "channels_last":
            raise ValueError(
                f"GroupedConv2D needs data_format='channels_last'. Received: {self.data_format!r}"
            )
        both = max(self.strides) > 1 and max(self.dilation_rate) > 1
        unequal = self.groups > 1 and self.strides[0] != self.strides[1]
        if (both or unequal) and self.padding == "same":
            raise ValueError(
                "strides and dilation_rate above 1 together, and unequal strides of groups, need "
                "padding='valid'. "
                f"Received: strides={self.strides}, dilation_rate={self.dilation_rate}, "
                "padding='same'"
            )

    def call(self, inputs: Any) -> Any:
        """Convolve (N, H, W, C), add the bias, apply the activation."""
        large = self.groups == 1 and math.prod(self.kernel.shape) >= LARGE_KERNEL
        if large and max(self.strides) == 1 and self.padding == "valid":
            return self._product(inputs)
        return super().call(inputs)

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolve (N, H, W, C) with the kernel, group by group, without the bias."""
        channels = inputs.shape[-1]
        if self.groups == channels > 1:
            # Filter o reads channel o // multiplier, in both layouts.
            multiplier = self.filters // channels
            kernel = ops.reshape(kernel, (*self.kernel_size, channels, multiplier))
            return self._convolve(inputs, kernel, depthwise=True)
        if self.groups == 1 or keras.backend.backend() == "torch":
            return self._convolve(inputs, kernel)
        parts = zip(
            ops.split(inputs, self.groups, axis=-1),
            ops.split(kernel, self.groups, axis=-1),
            strict=True,
        )
        return ops.concatenate([self._convolve(*part) for part in parts], axis=-1)

    def _convolve(self, inputs: Any, kernel: Any, depthwise: bool = False) -> Any:
        return convolve(
            inputs,
            kernel,
            self.strides,
            self.padding,
            self.dilation_rate,
            depthwise=depthwise,
            may_be_empty=self.may_be_empty,
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config: dict[str, Any] = super().get_config()
        return config | {"may_be_empty": True} if self.may_be_empty else config

    def _product(self, inputs: Any) -> Any:
        """The layer as one matrix product: a row a position, as Caffe computes it."""
        self.compute_output_shape(inputs.shape)  # raises where no window fits
        windows = inputs
        for axis, size, step in zip(
            (2, 1), self.kernel_size[::-1], self.dilation_rate[::-1], strict=True
        ):
            reach = (size - 1) * step
            taps = [slice(tap, tap - reach or None) for tap in range(0, reach + 1, step)]
            before = (slice(None),) * axis
            windows = ops.concatenate([windows[(*before, tap)] for tap in taps], axis=-1)
        rows = ops.reshape(windows, (-1, windows.shape[-1]))
        outputs = ops.matmul(rows, ops.reshape(self.kernel, (-1, self.filters)))
        if self.use_bias:
            outputs = ops.add(outputs, self.bias)  # TensorFlow makes one operation of both
        outputs = ops.reshape(outputs, (*ops.shape(windows)[:-1], self.filters))
        return outputs if self.activation is None else self.activation(outputs)
