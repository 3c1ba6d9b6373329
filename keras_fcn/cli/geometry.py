"""Where the cells of a network's map lie on its image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
from keras import layers

from keras_fcn.heads import chain
from keras_fcn.layers import (
    CaffeAveragePooling2D,
    CaffeMaxPooling2D,
    GroupedConv2D,
    LocalResponseNormalization,
    PixelwiseSoftmax,
)

Pair = tuple[float, float]


class Geometry(NamedTuple):
    """The centre of cell (i, j) is pixel ``offset + stride * (i, j)`` of the image."""

    stride: Pair
    offset: Pair


class _Step(NamedTuple):
    """A layer's windows along one axis: cells apart, and where the centre of the first is."""

    stride: float
    first: float


def geometry(model: keras.Model) -> Geometry | None:
    """The geometry of a fully convolutional network's map.

    Layers are followed from the image on: windows of length k with padding p that
    step by s move the first centre by (k - 1) / 2 - p of their bottom's cells and
    set the cells s times farther apart.

    Returns:
        None where the network branches, or has a layer whose windows are not known.
    """
    try:
        followed = chain(model)
    except ValueError:
        return None
    stride, offset = [1.0, 1.0], [0.0, 0.0]
    for layer in followed:
        steps = _STEPS.get(type(layer), lambda _: None)(layer)
        if steps is None:
            return None
        for axis, step in enumerate(steps):
            offset[axis] += step.first * stride[axis]
            stride[axis] *= step.stride
    return Geometry((stride[0], stride[1]), (offset[0], offset[1]))


def _in_place(_: Any) -> list[_Step]:
    return [_Step(1, 0), _Step(1, 0)]


def _padding(layer: layers.ZeroPadding2D) -> list[_Step]:
    return [_Step(1, -before) for before, _ in layer.padding]


def _convolution(layer: layers.Conv2D) -> list[_Step] | None:
    if layer.padding == "same":
        return _in_place(layer) if set(layer.strides) == {1} else None
    extents = zip(layer.kernel_size, layer.dilation_rate, layer.strides, strict=True)
    return [_Step(s, d * (k - 1) / 2) for k, d, s in extents]


def _pooling(layer: CaffeMaxPooling2D | CaffeAveragePooling2D) -> list[_Step] | None:
    if layer.pool_size is None:
        return None
    windows = zip(layer.pool_size, layer.strides, layer.padding, strict=True)
    return [_Step(s, (k - 1) / 2 - p) for k, s, p in windows]


_STEPS: Mapping[type, Callable[[Any], list[_Step] | None]] = {
    **dict.fromkeys(
        (
            layers.Activation,
            layers.BatchNormalization,
            layers.Dropout,
            layers.ELU,
            layers.InputLayer,
            layers.LeakyReLU,
            layers.PReLU,
            layers.ReLU,
            layers.Softmax,
            LocalResponseNormalization,
            PixelwiseSoftmax,
        ),
        _in_place,
    ),
    **dict.fromkeys((layers.Conv2D, GroupedConv2D), _convolution),
    **dict.fromkeys((CaffeAveragePooling2D, CaffeMaxPooling2D), _pooling),
    layers.ZeroPadding2D: _padding,
}
