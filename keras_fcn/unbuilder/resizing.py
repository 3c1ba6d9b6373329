"""Layers that give maps another size, and those of optical flow."""

from __future__ import annotations

import math
from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams, flow
from keras_fcn.caffe.layers.correlation import Correlation, Correlation1D
from keras_fcn.caffe.layers.interp import Interp
from keras_fcn.caffe.layers.shape import Split
from keras_fcn.caffe.layers.upsample import NearestUpsample, SegNetUpsample
from keras_fcn.unbuilder.inputs import input_shapes
from keras_fcn.unbuilder.registry import is_no_layer, unbuilds, unbuilds_alike

unbuilds_alike({layers.Upsample: SegNetUpsample})
unbuilds_alike(
    {layers.Correlation: Correlation, layers.Correlation1D: Correlation1D},
    pad="padding",
    stride_1="strides",
    stride_2="displacement_strides",
    correlation_type="method",
)


@unbuilds(layers.UpsampleLike)
def upsample_like(layer: Any) -> LayerParams | None:
    """SegNet's Upsample to a size; it ties the network to one size of image."""
    height, width = input_shapes(layer)[2][2:]
    if height is None or width is None:
        return None
    return SegNetUpsample(size=(height, width))


@unbuilds(keras.layers.UpSampling2D)
def upsampling(layer: Any) -> LayerParams | None:
    """YOLO's Upsample repeats pixels by one factor."""
    height, width = layer.size
    if (height, width) == (1, 1):
        return Split()
    if layer.interpolation != "nearest" or height != width:
        return None
    return NearestUpsample(scale=height)


@unbuilds(layers.Interp)
def interp(layer: Any) -> LayerParams:
    """DeepLab's: to a size, by factors, or as large as the second input."""
    height, width = layer.size or (None, None)
    return Interp(
        height=height,
        width=width,
        zoom_factor=layer.zoom_factor,
        shrink_factor=layer.shrink_factor,
        pad_beg=layer.pad_beg,
        pad_end=layer.pad_end,
    )


@unbuilds(layers.Resample)
def resample(layer: Any) -> LayerParams:
    """FlowNet's: to a size, or as large as the second input."""
    height, width = layer.size or (0, 0)
    return flow.Resample(
        height=height, width=width, type=layer.method.upper(), antialias=layer.antialias
    )


@unbuilds(layers.Resize)
def resize(layer: Any) -> LayerParams:
    """To a size or by a factor."""
    if layer.size is not None:
        return flow.Resize(height=layer.size[0], width=layer.size[1])
    height, width = layer.scale
    return flow.Resize(is_pyramid_test=True, out_height_scale=height, out_width_scale=width)


@unbuilds(layers.FlowWarp)
def flow_warp(layer: Any) -> LayerParams:
    """Caffe fills with zeros, or with what is no number."""
    value = layer.fill_value
    if value != 0 and not math.isnan(value):
        raise UnsupportedLayerError(f"fill_value: {value}: Caffe fills with 0 or NaN")
    return flow.FlowWarp(fill_value="ZERO" if value == 0 else "NOT_A_NUMBER")


@unbuilds(layers.Accum)
def accum(layer: Any) -> LayerParams:
    """Maps in one size, side by side."""
    height, width = layer.size
    return flow.Accum(
        top_height=height,
        top_width=width,
        size_divisible_by=layer.size_divisible_by,
        have_reference=layer.have_reference,
    )


_NO_REFERENCE = "Caffe's Crop needs a blob of the wanted size; a convolution cuts as well"
is_no_layer(
    {
        keras.layers.UpSampling1D: "Caffe repeats along height and width only",
        keras.layers.UpSampling3D: "Caffe repeats along height and width only",
        keras.layers.Resizing: "no Caffe has its filters",
        **dict.fromkeys(
            (
                *(keras.layers.Cropping1D, keras.layers.Cropping2D, keras.layers.Cropping3D),
                *(keras.layers.CenterCrop, keras.layers.RandomCrop),
            ),
            _NO_REFERENCE,
        ),
        **dict.fromkeys(
            (
                keras.layers.ZeroPadding1D,
                keras.layers.ZeroPadding2D,
                keras.layers.ZeroPadding3D,
            ),
            "the layer behind it pads in Caffe",
        ),
    }
)
