"""Convolutions, and inner products."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from convert.errors import UnsupportedLayerError
from convert.layers import layout
from keras_fcn import layers
from keras_fcn.to_caffe.activation import activated
from keras_fcn.to_caffe.draft import Blob, Draft, convolved, window_fields
from keras_fcn.to_caffe.registry import writes


def array(weight: Any) -> Any:
    """A weight's numbers."""
    return keras.ops.convert_to_numpy(weight)


@writes(keras.layers.Conv2D)
def conv2d(layer: Any, draft: Draft, x: Blob) -> Blob:
    """GroupedConv2D too."""
    kernel = layout.conv_kernel_blob(array(layer.kernel))
    return _convolution(layer, draft, x, kernel, layer.groups)


@writes(keras.layers.DepthwiseConv2D)
def depthwise(layer: Any, draft: Draft, x: Blob) -> Blob:
    """(H, W, C, multiplier): the filters of a channel stand together, as in Caffe's groups."""
    kernel = array(layer.kernel)
    filters = kernel.reshape(*kernel.shape[:2], 1, -1)
    return _convolution(layer, draft, x, layout.conv_kernel_blob(filters), x.shape[1])


def _convolution(layer: Any, draft: Draft, x: Blob, kernel: Any, groups: int) -> Blob:
    if layer.data_format != "channels_last":
        raise UnsupportedLayerError("data_format: only channels_last is written")
    margins = [(before, after) for before, after in x.margins]
    if layer.padding == "same":
        sizes = (size + sum(side) for size, side in zip(x.shape[2:], x.margins, strict=True))
        fields = zip(sizes, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
        for axis, (size, length, stride, step) in enumerate(fields):
            reach = (length - 1) * step + 1
            total = max((-(-size // stride) - 1) * stride + reach - size, 0)
            margins[axis] = (margins[axis][0] + total // 2, margins[axis][1] + total - total // 2)
    elif layer.padding != "valid":
        raise UnsupportedLayerError(f"padding: {layer.padding!r} has no equivalent")
    bias = array(layer.bias) if layer.use_bias else None
    y = convolved(
        draft,
        layer.name,
        x,
        kernel,
        margins,
        bias,
        strides=layer.strides,
        dilation=layer.dilation_rate,
        group=groups,
    )
    return activated(layer, draft, y)


@writes(layers.Convolution, layers.Deconvolution)
def own(layer: Any, draft: Draft, *bottoms: Blob) -> Any:
    """Caffe's own, whatever they are set to."""
    weights = [array(weight) for weight in layer.weights]
    deconvolution = isinstance(layer, layers.Deconvolution)
    fields: dict[str, Any] = {
        "num_output": layer.filters,
        "bias_term": layer.use_bias,
        "kernel_size": layer.kernel_size,
        "stride": layer.strides,
        "pad": layer.padding,
        "dilation": layer.dilation_rate,
        "group": layer.groups,
        "axis": layer.axis,
    }
    blobs = [layout.conv_kernel_blob(weights[0]), *weights[1:]]
    kind = "Deconvolution" if deconvolution else "Convolution"
    if len(bottoms) == 1:
        return draft.one(kind, layer.name, *bottoms, blobs=blobs, **fields)
    return draft.add(kind, layer.name, *bottoms, blobs=blobs, tops=len(bottoms), **fields)


@writes(keras.layers.Conv2DTranspose)
def transposed(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Keras cuts what ``same`` makes too much; so does Caffe's pad, on both sides alike."""
    if set(layer.dilation_rate) != {1} or layer.output_padding is not None:
        raise UnsupportedLayerError("dilation_rate and output_padding have no equivalent")
    kernel = array(layer.kernel).transpose(3, 2, 0, 1)
    cut, more = [0, 0], [(0, 0), (0, 0)]
    for axis, (length, stride) in enumerate(zip(layer.kernel_size, layer.strides, strict=True)):
        if length < stride:
            raise UnsupportedLayerError(f"kernel_size: {length} is less than its stride {stride}")
        surplus = length - stride if layer.padding == "same" else 0
        cut[axis] = -(-surplus // 2)
        more.append((surplus % 2, 0))
    bias = [array(layer.bias)] if layer.use_bias else []
    kernel = np.pad(kernel, more)
    fields = window_fields(kernel.shape[2:], layer.strides, cut)
    repeated = ("kernel_size", "stride", "pad")
    fields = {name: [v] if name in repeated else v for name, v in fields.items()}
    fields |= {"num_output": layer.filters, "bias_term": bool(bias)}
    y = draft.one("Deconvolution", layer.name, x, blobs=[kernel, *bias], **fields)
    return activated(layer, draft, y)


@writes(keras.layers.Dense)
def dense(layer: Any, draft: Draft, x: Blob) -> Blob:
    """An inner product of vectors; on a map a convolution of 1 x 1."""
    kernel = array(layer.kernel)
    bias = [array(layer.bias)] if layer.use_bias else []
    fields = {"num_output": layer.units, "bias_term": bool(bias)}
    if len(x.final_shape) == 2:
        channels = x.channels
        if x.flatten:  # an inner product flattens by itself
            channels = x.shape[1]
            x = replace(x, flatten="")
        blobs = [layout.dense_kernel_blob(kernel, channels), *bias]
        y = draft.one("InnerProduct", layer.name, x, blobs=blobs, **fields)
    else:
        weight = kernel.T.reshape(layer.units, -1, *[1] * (len(x.shape) - 2))
        y = draft.one(
            "Convolution", layer.name, x, blobs=[weight, *bias], kernel_size=[1], **fields
        )
    return activated(layer, draft, y)


@writes(layers.InnerProduct)
def inner_product(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Over any axes."""
    kernel, *bias = (array(weight) for weight in layer.weights)
    return draft.one(
        "InnerProduct",
        layer.name,
        x,
        blobs=[layout.dense_kernel_blob(kernel, None), *bias],
        num_output=layer.units,
        bias_term=layer.use_bias,
        axis=layer.axis,
    )
