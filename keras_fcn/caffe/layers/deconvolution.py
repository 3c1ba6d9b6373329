"""Deconvolution. Source: `src/caffe/layers/deconv_layer.cpp`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import caffe_layer
from keras_fcn.caffe.layers.base_convolution import BaseConvolution
from keras_fcn.caffe.layers.spatial import Axis, Spread
from keras_fcn.caffe.records import dataclass


def deconv_size(size: int | None, kernel: int, stride: int, pad: int, dilation: int) -> int | None:
    """Caffe's output size of a deconvolution along one axis."""
    if size is None:
        return None
    out = stride * (size - 1) + dilation * (kernel - 1) + 1 - 2 * pad
    if out < 1:
        raise NetworkError(f"pad: {pad} on both sides leaves nothing of {out + 2 * pad} positions")
    return out


@caffe_layer("Deconvolution")
@dataclass(frozen=True, kw_only=True)
class Deconvolution(BaseConvolution):
    """`ConvolutionParameter` of the gradient of a convolution: upsamples by `stride`."""

    size_rule = staticmethod(deconv_size)

    @classmethod
    def from_blobs(cls, shapes: Sequence[tuple[int, ...]]) -> Self | None:
        if not shapes or len(shapes[0]) < 3:
            return None
        _, in_group, *kernel = shapes[0]
        outputs = shapes[1][-1] if len(shapes) > 1 else in_group
        return cls(
            num_output=outputs,
            group=max(outputs // in_group, 1),
            kernel_size=tuple(kernel),
            bias_term=len(shapes) > 1,
        )

    def _kernel_channels(self, channels: int | None) -> tuple[int | None, int | None]:
        return channels, self.num_output // self.group

    @staticmethod
    def windows(length: int, stride: int, pad: int, dilation: int) -> Axis:
        return Spread(length, stride, pad, dilation)
