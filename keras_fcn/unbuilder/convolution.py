"""Convolutions, inner products and Im2col."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.deconvolution import Deconvolution
from keras_fcn.caffe.layers.im2col import Im2col
from keras_fcn.caffe.layers.inner_product import InnerProduct
from keras_fcn.unbuilder.inputs import input_shapes, rank
from keras_fcn.unbuilder.registry import is_no_layer, unbuilds, unbuilds_alike

_WINDOWS = {"stride": "strides", "pad": "padding", "dilation": "dilation_rate"}
_FILTERS = {"num_output": "filters", "group": "groups", "bias_term": "use_bias"}

unbuilds_alike({layers.Im2col: Im2col}, **_WINDOWS)
unbuilds_alike(
    {layers.Convolution: Convolution, layers.Deconvolution: Deconvolution}, **_WINDOWS, **_FILTERS
)
unbuilds_alike({layers.InnerProduct: InnerProduct}, num_output="units", bias_term="use_bias")


@unbuilds(keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
def convolution(layer: Any) -> LayerParams | None:
    """`GroupedConv2D` too."""
    return _convolution(layer, layer.filters, layer.groups)


@unbuilds(keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
def depthwise_convolution(layer: Any) -> LayerParams | None:
    """A group for each channel."""
    channels = input_shapes(layer)[0][1] or 0
    return _convolution(layer, channels * layer.depth_multiplier, channels)


def _convolution(layer: Any, filters: int, groups: int) -> LayerParams | None:
    pad = _padding(layer)
    if pad is None:
        return None
    return Convolution(
        num_output=filters,
        kernel_size=tuple(layer.kernel_size),
        stride=tuple(layer.strides),
        dilation=tuple(layer.dilation_rate),
        pad=pad,
        group=groups,
        bias_term=layer.use_bias,
    )


def _padding(layer: Any) -> tuple[int, ...] | None:
    """Zeros on both sides of each axis; None where they depend on the image, or on the side."""
    count = len(layer.kernel_size)
    if layer.padding == "valid":
        return (0,) * count
    sizes = zip(layer.kernel_size, layer.dilation_rate, strict=True)
    reaches = [(length - 1) * step for length, step in sizes]
    alike = max(layer.strides) == 1 and not any(reach % 2 for reach in reaches)
    if layer.padding != "same" or not alike:
        return None
    return tuple(reach // 2 for reach in reaches)


@unbuilds(keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
def transposed_convolution(layer: Any) -> LayerParams | None:
    """Unbuild windows of `same`: the excess is cut on both sides alike, or refused."""
    if layer.output_padding is not None:
        raise UnsupportedLayerError(
            f"output_padding: {layer.output_padding} has no equivalent in Caffe"
        )
    if set(layer.dilation_rate) != {1}:
        return None
    surplus = [k - s for k, s in zip(layer.kernel_size, layer.strides, strict=True)]
    same = layer.padding == "same"
    if min(surplus) < 0 or (same and any(more % 2 for more in surplus)):
        return None
    return Deconvolution(
        num_output=layer.filters,
        kernel_size=tuple(layer.kernel_size),
        stride=tuple(layer.strides),
        pad=tuple(more // 2 if same else 0 for more in surplus),
        bias_term=layer.use_bias,
    )


@unbuilds(keras.layers.Dense)
def dense(layer: Any) -> LayerParams:
    """Over the channels: an inner product of vectors, of maps a convolution of 1 x 1."""
    outputs = {"num_output": layer.units, "bias_term": layer.use_bias}
    axes = rank(layer) - 2
    if axes < 1:
        return InnerProduct(**outputs)
    return Convolution(kernel_size=(1,) * axes, **outputs)


is_no_layer(
    dict.fromkeys(
        (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D),
        "it is two convolutions in Caffe",
    )
)
