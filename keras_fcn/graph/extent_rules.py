"""How each kind of layer changes what cells see of the image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from keras import layers

from keras_fcn import layers as caffe
from keras_fcn.graph.extents import Extent
from keras_fcn.layers.elementwise import Elementwise

Step = Callable[[Extent], Extent]
Rule = Callable[[Any, Any, Any], Sequence[Step] | None]


def _in_place(layer: Any, x: Any, y: Any) -> Sequence[Step]:
    return [partial(Extent.shifted, cells=0)] * 2


def _windows(*axes: tuple[int, int, int, int]) -> Sequence[Step]:
    """Windows of (length, stride, padding before, dilation) along each axis."""
    return [
        partial(Extent.windows, length=length, stride=stride, before=before, dilation=dilation)
        for length, stride, before, dilation in axes
    ]


def _shifts(cells: Sequence[int]) -> Sequence[Step]:
    return [partial(Extent.shifted, cells=count) for count in cells]


def _convolution(layer: Any, x: Any, y: Any) -> Sequence[Step] | None:
    sizes = zip(x.shape[1:3], layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
    return _stock_windows(sizes, layer.padding)


def _stock_pooling(layer: Any, x: Any, y: Any) -> Sequence[Step] | None:
    sizes = zip(x.shape[1:3], layer.pool_size, layer.strides, (1, 1), strict=True)
    return _stock_windows(sizes, layer.padding)


def _stock_windows(
    axes: Iterable[tuple[int | None, int, int, int]], padding: str
) -> Sequence[Step] | None:
    """Windows padded as TensorFlow does, which with strides depends on the size."""
    found = []
    for size, length, stride, dilation in axes:
        before = 0
        if padding == "same":
            if stride > 1 and size is None:
                return None
            left = stride if size is None else size % stride or stride
            before = max((length - 1) * dilation + 1 - left, 0) // 2
        found.append((length, stride, before, dilation))
    return _windows(*found)


def _own_convolution(layer: Any, x: Any, y: Any) -> Sequence[Step] | None:
    if layer.axis not in (1, -3):
        return None
    return _windows(*((a.length, a.stride, a.pad, a.dilation) for a in layer._spatial(2)))


def _pooling(layer: Any, x: Any, y: Any) -> Sequence[Step] | None:
    if layer.pool_size is None:
        return None
    axes = zip(layer.pool_size, layer.strides, layer.padding, strict=True)
    return _windows(*((length, stride, pad, 1) for length, stride, pad in axes))


def _dense_pooling(layer: Any, x: Any, y: Any) -> Sequence[Step]:
    fields = (layer.pool_size, layer.strides, layer.padding, layer.dilation_rate)
    return _windows(*zip(*fields, strict=True))


def _deconvolution(layer: Any, x: Any, y: Any) -> Sequence[Step] | None:
    axes = layer._spatial(2)
    if layer.axis not in (1, -3) or any(axis.dilation > 1 for axis in axes):
        return None
    return [partial(Extent.spread, length=a.length, stride=a.stride, cut=a.pad) for a in axes]


def _upsampling(layer: Any, x: Any, y: Any) -> Sequence[Step] | None:
    if layer.interpolation != "nearest":
        return None
    return [partial(Extent.spread, length=size, stride=size) for size in layer.size]


def _zero_padding(layer: Any, x: Any, y: Any) -> Sequence[Step]:
    return _shifts([-before for before, _ in layer.padding])


def _cropping(layer: Any, x: Any, y: Any) -> Sequence[Step]:
    return _shifts([before for before, _ in layer.cropping])


def _crop(layer: Any, x: Any, y: Any) -> Sequence[Step]:
    return _shifts((0, 0, 0, *layer._params.offsets(4))[-2:])


def _local_response(layer: Any, x: Any, y: Any) -> Sequence[Step]:
    if layer.norm_region == "across_channels":
        return _in_place(layer, x, y)
    axis = (layer.local_size, 1, (layer.local_size - 1) // 2, 1)
    return _windows(axis, axis)


RULES: Mapping[type, Rule] = {
    **dict.fromkeys(
        (
            *(layers.Activation, layers.Add, layers.Average, layers.BatchNormalization),
            *(layers.Concatenate, layers.Dense, layers.Dropout, layers.ELU, layers.Identity),
            *(layers.InputLayer, layers.LeakyReLU, layers.Maximum, layers.Minimum),
            *(layers.Multiply, layers.PReLU, layers.ReLU, layers.Rescaling, layers.Softmax),
            *(layers.SpatialDropout2D, layers.Subtract),
            *(caffe.BatchNorm, caffe.Bias, caffe.Eltwise, Elementwise, caffe.PReLU),
            *(caffe.CommonSize, caffe.PixelwiseSoftmax, caffe.Scale, caffe.ScaledBatchNorm),
        ),
        _in_place,
    ),
    **dict.fromkeys((layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D), _convolution),
    **dict.fromkeys((layers.MaxPooling2D, layers.AveragePooling2D), _stock_pooling),
    **dict.fromkeys((caffe.CaffeAveragePooling2D, caffe.CaffeMaxPooling2D), _pooling),
    caffe.Convolution: _own_convolution,
    caffe.Crop: _crop,
    caffe.Deconvolution: _deconvolution,
    caffe.DensePooling2D: _dense_pooling,
    caffe.LocalResponseNormalization: _local_response,
    layers.Cropping2D: _cropping,
    layers.UpSampling2D: _upsampling,
    layers.ZeroPadding2D: _zero_padding,
}
"""Keras layer class -> rule; subclasses use their base's."""
