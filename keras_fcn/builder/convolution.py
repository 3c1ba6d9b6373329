"""Convolution, Deconvolution and Im2col."""

from __future__ import annotations

import math
from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers.base_convolution import BaseConvolution, Windowed
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.deconvolution import Deconvolution
from keras_fcn.caffe.layers.im2col import Im2col
from keras_fcn.caffe.net.network import Layer
from keras_fcn.layers import _stock

_KERAS = {1: _stock.Conv1D, 2: _stock.Conv2D, 3: _stock.Conv3D}
_FIELDS = ("kernel_size", "stride", "pad", "dilation")


@builds(Convolution)
def convolution(layer: Layer[Convolution], *tensors: Any) -> Any:
    """Keras' own where it can; grouped, padded or shared ones are our own, among others."""
    params = layer.params
    shape = layer.bottoms[0].shape or ()
    count = len(shape) - params.axis % len(shape) - 1
    if len(tensors) > 1 or len(shape) != count + 2 or count > 3 or _reaches_past(layer, count):
        return _own(layers.Convolution, layer, tensors)
    (x,) = tensors
    if count == 0 and params.group == 1:
        return keras.layers.Dense(params.num_output, **_weights(layer))(x)
    kernel, stride, pad, dilation = (params.along(field, count) for field in _FIELDS)
    same = max(stride, default=1) == 1 and all(
        2 * p == d * (k - 1) for p, d, k in zip(pad, dilation, kernel, strict=True)
    )
    # Keras' own refuse strides together with dilation, and pad both sides alike at stride 1 only.
    stock = params.group == 1 and (max(stride) == 1 or max(dilation) == 1)
    # Nor are they right in steps over single positions, or for an empty batch; see GroupedConv2D.
    stock = stock and not layer.rows and (max(stride) == 1 or max(kernel) > 1)
    if count != 2 and not (stock and (same or not any(pad))):
        return _own(layers.Convolution, layer, tensors)
    if any(pad) and not same:
        x = _stock.ZeroPadding2D(pad, name=f"{layer.keras_name}_pad")(x)
    settings = {
        "filters": params.num_output,
        "kernel_size": kernel,
        "strides": stride,
        "dilation_rate": dilation,
        "padding": "same" if any(pad) and same else "valid",
        **_weights(layer),
    }
    large = math.prod(kernel) * x.shape[-1] * params.num_output >= layers.LARGE_KERNEL
    if stock and not (large and count == 2):
        return _KERAS[count](**settings)(x)
    return layers.GroupedConv2D(groups=params.group, may_be_empty=layer.rows, **settings)(x)


@builds(Deconvolution)
def deconvolution(layer: Layer[Deconvolution], *tensors: Any) -> Any:
    """Keras lacks its groups; see `keras_fcn.layers.Deconvolution`."""
    return _own(layers.Deconvolution, layer, tensors)


@builds(Im2col)
def im2col(layer: Layer[Im2col], x: Any) -> Any:
    """Every window's positions as channels."""
    return layers.Im2col(**_windows(layer), name=layer.keras_name)(x)


def _reaches_past(layer: Layer[Convolution], count: int) -> bool:
    """Whether a window reaches past the end of the padding, which Caffe allows with strides."""
    params = layer.params
    fields = zip(*(params.along(field, count) for field in _FIELDS), strict=True)
    sizes = (layer.bottoms[0].shape or ())[-count:] if count else ()
    return any(
        size is not None and size + 2 * pad <= dilation * (kernel - 1)
        for size, (kernel, _, pad, dilation) in zip(sizes, fields, strict=True)
    )


def _own(
    cls: type[keras.layers.Layer], layer: Layer[BaseConvolution], tensors: tuple[Any, ...]
) -> Any:
    """One layer of ours for any number of bottoms."""
    params = layer.params
    settings = {**_windows(layer), **_weights(layer), "may_be_empty": layer.rows}
    own = cls(params.num_output, groups=params.group, **settings)
    if len(tensors) > 1:
        return tuple(own([_with_channels(layer, x) for x in tensors]))
    return own(_with_channels(layer, tensors[0]))


def _with_channels(layer: Layer[BaseConvolution], x: Any) -> Any:
    """With `axis: 0` the images are the channels, and there must be as many as in Caffe."""
    params = layer.params
    if params.axis % len(x.shape):
        return x
    return keras.ops.reshape(x, ((layer.bottoms[0].shape or ())[0], *x.shape[1:]))


def _windows(layer: Layer[Windowed]) -> dict[str, Any]:
    params = layer.params
    return {
        "kernel_size": params.kernel_size,
        "strides": params.stride,
        "padding": params.pad,
        "dilation_rate": params.dilation,
        "axis": params.axis,
    }


def _weights(layer: Layer[BaseConvolution]) -> dict[str, Any]:
    params = layer.params
    return {
        "use_bias": params.bias_term,
        "kernel_initializer": "zeros",
        "bias_initializer": "zeros",
        "name": layer.keras_name,
    }
