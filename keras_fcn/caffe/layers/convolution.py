"""Convolution. Source: `src/caffe/layers/conv_layer.cpp`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import caffe_layer
from keras_fcn.caffe.layers.base_convolution import BaseConvolution
from keras_fcn.caffe.records import dataclass


def conv_size(size: int | None, kernel: int, stride: int, pad: int, dilation: int) -> int | None:
    """Caffe's output size of a convolution along one axis.

    A division of C++: rounded towards zero, so that one window may reach past the end.
    """
    if size is None:
        return None
    extent = dilation * (kernel - 1) + 1
    room = size + 2 * pad - extent
    if room <= -stride:
        raise NetworkError(
            f"a kernel of extent {extent} does not fit into {size} + 2 * {pad} positions"
        )
    return max(room, 0) // stride + 1


@caffe_layer("Convolution")
@dataclass(frozen=True, kw_only=True)
class Convolution(BaseConvolution):
    """`ConvolutionParameter`; kernel, stride, pad and dilation hold 1 or n sizes."""

    size_rule = staticmethod(conv_size)

    @classmethod
    def from_blobs(cls, shapes: Sequence[tuple[int, ...]]) -> Self | None:
        if not shapes or len(shapes[0]) < 3:
            return None
        outputs, _, *kernel = shapes[0]
        return cls(num_output=outputs, kernel_size=tuple(kernel), bias_term=len(shapes) > 1)

    def _kernel_channels(self, channels: int | None) -> tuple[int | None, int | None]:
        return self.num_output, None if channels is None else channels // self.group
