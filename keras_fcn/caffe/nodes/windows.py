"""Caffe's windows, as operators of other programs have them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.layers.base import Array, canonical_axis
from keras_fcn.caffe.layers.base_convolution import Windowed
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.deconvolution import Deconvolution
from keras_fcn.caffe.layers.mobile import DepthwiseConvolution
from keras_fcn.caffe.layers.pooling import Pooling
from keras_fcn.caffe.layers.spp import SPP, bin_windows
from keras_fcn.caffe.layers.volumetric import Convolution3D, Deconvolution3D, Pooling3D
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.nodes.graph import NeedsSizes
from keras_fcn.caffe.records import dataclass


@dataclass(frozen=True)
class Axis:
    """Windows along one axis.

    Attributes:
        size: positions of the map; None where it is not known.
        length: positions of a window.
        stride: positions from one window to the next.
        pad: positions before the map.
        end: positions behind it, so that as many windows fit as Caffe has when windows that
            do not fit are dropped.
        dilation: steps between the positions of a window.
    """

    size: int | None
    length: int
    stride: int
    pad: int
    end: int
    dilation: int = 1

    @property
    def extent(self) -> int:
        """Positions from the first to the last one of a window."""
        return self.dilation * (self.length - 1) + 1

    @property
    def needed(self) -> int:
        """Positions behind the map that windows reach; `end` where the size is not known."""
        return self.end if self.size is None else max(self._last + self.extent - self.size, 0)

    @property
    def _last(self) -> int:
        """Where the last window begins."""
        size = self.size or 0
        count = (size + self.pad + self.end - self.extent) // self.stride
        return count * self.stride - self.pad

    def counts(self, padding: bool) -> Array:
        """Positions of each window that count: those of the map, and of its padding if so."""
        size = self.size or 0
        starts = np.arange(-self.pad, self._last + 1, self.stride)
        if padding:  # a window that lies behind counts as less than none, as in Caffe
            return np.asarray(np.minimum(starts + self.length, size + self.pad) - starts)
        inside = np.minimum(starts + self.length, size) - np.maximum(starts, 0)
        return np.asarray(np.maximum(inside, 0))


def behind(extent: int, stride: int, pad: int, round_mode: str, clips: bool) -> int:
    """Padding behind a map that gives Caffe's windows for every size.

    Rounding up is rounding down with `stride` - 1 positions more. With any padding the last
    window must begin inside the map or the padding before it: `extent` - 1 more, at most.
    """
    end = pad if round_mode == "FLOOR" else pad + stride - 1
    return min(end, extent - 1) if clips else end


def as_convolution(layer: Layer[DepthwiseConvolution]) -> Layer[Any]:
    """The convolution of as many groups as channels that a DepthwiseConvolution is."""
    plain: Layer[Any] = layer
    params = layer.params.as_convolution(layer.bottoms[0].shape or ())
    return dataclasses.replace(plain, params=params)


def pooling_axes(layer: Layer[Pooling]) -> list[Axis]:
    """The windows of a Pooling along height and width; it has some."""
    params, sizes = layer.params, (layer.bottoms[0].shape or ())[2:]
    fields = (sizes, params.kernel_size or (), params.stride, params.pad, params.dilation)
    clips = any(params.pad)
    return [
        Axis(
            size,
            length,
            stride,
            pad,
            behind(step * (length - 1) + 1, stride, pad, params.round_mode, clips),
            step,
        )
        for size, length, stride, pad, step in zip(*fields, strict=True)
    ]


def pooling3d_axes(layer: Layer[Pooling3D]) -> list[Axis]:
    """The windows of a Pooling3D along its three axes; none is dropped for its padding."""
    params, sizes = layer.params, (layer.bottoms[0].shape or ())[2:]
    fields = (sizes, params.kernel, params.strides, params.padding)
    return [
        Axis(size, length, stride, pad, behind(length, stride, pad, "CEIL", clips=False))
        for size, length, stride, pad in zip(*fields, strict=True)
    ]


def spp_axes(params: SPP, sizes: Sequence[int]) -> list[list[Axis]]:
    """The windows of each level of an SPP."""
    levels = []
    for level in range(params.pyramid_height):
        axes = []
        for size in sizes:
            length, pad = bin_windows(size, 2**level)
            axes.append(Axis(size, length, length, pad, 2**level * length - size - pad))
        levels.append(axes)
    return levels


def past_the_end(params: Windowed, shape: Shape) -> tuple[int, ...]:
    """Positions along each axis by which the only window reaches past the padding.

    See `keras_fcn.caffe.layers.convolution.conv_size`.
    """
    sizes = shape[canonical_axis(params.axis, len(shape)) + 1 :]
    fields = (params.along(field, len(sizes)) for field in ("kernel_size", "pad", "dilation"))
    return tuple(
        0 if size is None else max(dilation * (kernel - 1) + 1 - size - 2 * pad, 0)
        for size, kernel, pad, dilation in zip(sizes, *fields, strict=True)
    )


def eye_kernel(params: Windowed, shape: Shape) -> Array:
    """Kernels of a single 1 each, one for each channel and position of a window.

    Raises:
        NeedsSizes: the channels are not known.
    """
    axis = canonical_axis(params.axis, len(shape))
    channels, cells = shape[axis], params.along("kernel_size", len(shape) - axis - 1)
    if channels is None:
        raise NeedsSizes("the number of channels is not known; fix the input's sizes")
    each = np.eye(int(np.prod(cells)), dtype=np.float32).reshape(-1, 1, *cells)
    return np.tile(each, (channels, *(1,) * (each.ndim - 1)))


def plain_convolution(layer: Layer[Convolution3D]) -> Layer[Any]:
    """A Convolution3D or Deconvolution3D as BVLC Caffe's of three axes."""
    params = layer.params
    kind = Deconvolution if isinstance(params, Deconvolution3D) else Convolution
    same = kind(
        num_output=params.num_output,
        bias_term=params.bias_term,
        kernel_size=params.kernel,
        stride=params.strides,
        pad=params.padding,
    )
    plain: Layer[Any] = layer
    return dataclasses.replace(plain, params=same)
