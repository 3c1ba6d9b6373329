"""Convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import layout
from keras_fcn.to_caffe import windows
from keras_fcn.to_caffe.activation import activated
from keras_fcn.to_caffe.draft import Blob, Draft, array
from keras_fcn.to_caffe.registry import writes


@writes(keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
def convolution(layer: Any, draft: Draft, x: Blob) -> Blob:
    """GroupedConv2D too; Caffe convolves along any number of axes."""
    kernel = layout.conv_kernel_blob(array(layer.kernel))
    y = _convolved(layer, draft, layer.name, x, kernel, layer.groups, _bias(layer))
    return activated(layer, draft, y)


@writes(keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
def depthwise(layer: Any, draft: Draft, x: Blob) -> Blob:
    """A group for each channel."""
    kernel = _depthwise_kernel(layer.kernel)
    y = _convolved(layer, draft, layer.name, x, kernel, x.final_shape[1], _bias(layer))
    return activated(layer, draft, y)


@writes(keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
def separable(layer: Any, draft: Draft, x: Blob) -> Blob:
    """A depthwise convolution, then one of 1 x 1."""
    kernel = _depthwise_kernel(layer.depthwise_kernel)
    name = f"{layer.name}_depthwise"
    x = _convolved(layer, draft, name, x, kernel, x.final_shape[1], None)
    points = layout.conv_kernel_blob(array(layer.pointwise_kernel))
    no_margins = [(0, 0)] * (points.ndim - 2)
    fields = windows.convolution(points, no_margins, _bias(layer))
    return activated(layer, draft, draft.one("Convolution", layer.name, x, **fields))


def _depthwise_kernel(kernel: Any) -> Any:
    """(*spatial, C, multiplier): the filters of a channel stand together, as in Caffe's groups."""
    kernel = array(kernel)
    return layout.conv_kernel_blob(kernel.reshape(*kernel.shape[:-2], 1, -1))


def _bias(layer: Any) -> Any:
    return array(layer.bias) if layer.use_bias else None


def _convolved(
    layer: Any, draft: Draft, name: str, x: Blob, kernel: Any, groups: int, bias: Any
) -> Blob:
    if x.order is not None:
        x = draft.plain(x)
    margins = list(x.margins or ((0, 0),) * (len(x.shape) - 2))
    sizes = [size + sum(side) for size, side in zip(x.shape[2:], margins, strict=True)]
    fields = zip(sizes, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
    for axis, (size, length, stride, step) in enumerate(fields):
        before, after = _padding(layer.padding, size, (length - 1) * step + 1, stride)
        margins[axis] = (margins[axis][0] + before, margins[axis][1] + after)
    options = windows.convolution(
        kernel, margins, bias, strides=layer.strides, dilation=layer.dilation_rate, groups=groups
    )
    return draft.one("Convolution", name, x.raw, **options)


def _padding(padding: str, size: int, reach: int, stride: int) -> tuple[int, int]:
    """Keras' zeros before and after an axis."""
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return reach - 1, 0
    total = windows.same_padding(size, reach, stride)
    return total // 2, total - total // 2


@writes(keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
def transposed(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Keras cuts what `same` makes too much; so does Caffe's pad, on both sides alike."""
    if layer.output_padding is not None:
        raise UnsupportedLayerError("output_padding has no equivalent in Caffe")
    if set(layer.dilation_rate) != {1}:
        raise UnsupportedLayerError("a transposed convolution with dilation_rate is not written")
    kernel = layout.conv_kernel_blob(array(layer.kernel))  # (inputs, outputs, *spatial)
    cut, more = [], [(0, 0), (0, 0)]
    for length, stride in zip(layer.kernel_size, layer.strides, strict=True):
        surplus = max(length - stride, 0) if layer.padding == "same" else 0
        cut.append(-(-surplus // 2))
        # Keras gives stride positions for each of the input, also where its kernel has fewer.
        more.append((surplus % 2, max(stride - length, 0)))
    bias = _bias(layer)
    kernel = np.pad(kernel, more)
    y = draft.one(
        "Deconvolution",
        layer.name,
        x,
        blobs=[kernel] if bias is None else [kernel, bias],
        num_output=layer.filters,
        bias_term=bias is not None,
        **_window(kernel.shape[2:], layer.strides, cut),
    )
    return activated(layer, draft, y)


def _window(
    kernel: Sequence[int], strides: Sequence[int], pad: Sequence[int] = (0,)
) -> dict[str, Any]:
    fields = windows.sizes("kernel", "kernel_size", kernel)
    return (
        fields | windows.sizes("stride", "stride", strides, 1) | windows.sizes("pad", "pad", pad, 0)
    )


@writes(keras.layers.UpSampling1D, keras.layers.UpSampling2D, keras.layers.UpSampling3D)
def upsampling(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Every position written several times: a deconvolution of ones."""
    method = getattr(layer, "interpolation", "nearest")
    if method != "nearest":
        raise UnsupportedLayerError(f"interpolation: {method!r} has no equivalent in Caffe")
    x = draft.plain(x)
    count, channels = len(x.shape) - 2, x.shape[1]
    size = layer.size if isinstance(layer.size, list | tuple) else (layer.size,) * count
    return draft.one(
        "Deconvolution",
        layer.name,
        x,
        blobs=[np.ones((channels, 1, *size), np.float32)],
        constant=True,
        num_output=channels,
        group=channels,
        bias_term=False,
        **_window(size, size),
    )


@writes(keras.layers.Dense)
def dense(layer: Any, draft: Draft, x: Blob) -> Blob:
    """An inner product of vectors; on a map a convolution of 1 x 1."""
    kernel, bias = array(layer.kernel), _bias(layer)
    if len(x.final_shape) > 2:
        weight = kernel.T.reshape(layer.units, -1, *[1] * (len(x.final_shape) - 2))
        fields = windows.convolution(weight, [(0, 0)] * (weight.ndim - 2), bias)
        return activated(layer, draft, draft.one("Convolution", layer.name, x, **fields))
    x = draft.padded(x)
    weight = x.arranged(kernel.T)  # an inner product flattens by itself
    y = draft.one(
        "InnerProduct",
        layer.name,
        x.raw,
        blobs=[weight] if bias is None else [weight, bias],
        num_output=layer.units,
        bias_term=bias is not None,
    )
    return activated(layer, draft, y)
