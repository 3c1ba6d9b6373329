"""Stock forms of convolutions and poolings: windows that Keras lays as Caffe does."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
from keras import ops

from keras_fcn import layers
from keras_fcn.exporting.stock.registry import Form, stock_form
from keras_fcn.layers._pooling import Pooling2D
from keras_fcn.layers.pooling import LOWEST_FLOAT32


@stock_form(layers.GroupedConv2D)
def grouped(layer: layers.GroupedConv2D, x: Any) -> Form | None:
    """Keras' own has groups; it refuses strides together with a dilation rate.

    A stride over single positions is taken beforehand: in steps TensorFlow's gradient of such
    a kernel is wrong on CPUs.
    """
    steps_apart = max(layer.strides) > 1
    if layer.may_be_empty or (steps_apart and max(layer.dilation_rate) > 1):
        return None
    config = {**layer.get_config(), "may_be_empty": None}
    del config["may_be_empty"]
    steps: list[Any] = []
    if steps_apart and max(layer.kernel_size) == 1:
        config["strides"] = (1, 1)
        steps.append(
            keras.layers.MaxPooling2D(1, strides=layer.strides, name=f"{layer.name}_steps")
        )
    return Form([*steps, keras.layers.Conv2D.from_config(config)])


@stock_form(layers.Deconvolution)
def deconvolution(layer: layers.Deconvolution, x: Any) -> Form | None:
    """Keras' own has no groups, and cuts nothing off."""
    windows = () if isinstance(x, list | tuple) else layer._spatial(len(x.shape) - 2)
    if (
        len(windows) != 2
        or layer.groups > 1
        or layer.may_be_empty
        or layer.axis % len(x.shape) != 1
    ):
        return None
    if any(w.dilation > 1 or w.length < w.stride for w in windows):
        return None
    pads = tuple((w.pad, w.pad) for w in windows)
    steps: list[Any] = [
        keras.layers.Conv2DTranspose(
            layer.filters,
            tuple(w.length for w in windows),
            strides=tuple(w.stride for w in windows),
            data_format="channels_last",
            use_bias=layer.use_bias,
            name=layer.name,
        )
    ]
    if any(pad for pad, _ in pads):
        name = f"{layer.name}_cut"
        steps.append(keras.layers.Cropping2D(pads, data_format="channels_last", name=name))
    return Form(steps)


@stock_form(layers.CaffeMaxPooling2D)
def max_pooling(layer: layers.CaffeMaxPooling2D, x: Any) -> Form | None:
    """Margins that never win are laid around the map where Keras has no such windows."""
    if layer.return_mask:
        return None
    if layer.global_pooling:
        return _global(keras.layers.GlobalMaxPooling2D, layer)
    if _like_same(layer, x):
        return _pool(keras.layers.MaxPooling2D, layer, "same")
    margins = _margins(layer, x)
    if margins is None:
        return None
    pad = partial(ops.pad, pad_width=((0, 0), *margins, (0, 0)), constant_values=LOWEST_FLOAT32)
    return _pool(keras.layers.MaxPooling2D, layer, "valid", [pad] if _any(margins) else [])


@stock_form(layers.CaffeAveragePooling2D)
def average_pooling(layer: layers.CaffeAveragePooling2D, x: Any) -> Form | None:
    """Padding counts; a window that hangs over it has a divisor of its own, as in Keras' same."""
    if layer.global_pooling:
        return _global(keras.layers.GlobalAveragePooling2D, layer)
    margins = _margins(layer, x)
    if margins is None or any(end > before for before, end in margins):
        return _exclusive(layer, x) if not any(layer.padding) else None
    steps = []
    if _any(margins):
        name = f"{layer.name}_pad"
        steps.append(keras.layers.ZeroPadding2D(margins, data_format="channels_last", name=name))
    return _pool(keras.layers.AveragePooling2D, layer, "valid", steps)


@stock_form(layers.ExclusiveAveragePooling2D)
def exclusive_average_pooling(layer: layers.ExclusiveAveragePooling2D, x: Any) -> Form | None:
    """No padding counts, as in Keras."""
    if layer.global_pooling:
        return _global(keras.layers.GlobalAveragePooling2D, layer)
    margins = _margins(layer, x)
    if margins is not None and not _any(margins):
        return _pool(keras.layers.AveragePooling2D, layer, "valid")
    return _exclusive(layer, x)


def _exclusive(layer: Pooling2D, x: Any) -> Form | None:
    if not _like_same(layer, x):
        return None
    return _pool(keras.layers.AveragePooling2D, layer, "same")


def _global(kind: Any, layer: Pooling2D) -> Form:
    return Form([kind(keepdims=True, data_format="channels_last", name=layer.name)])


def _pool(kind: Any, layer: Pooling2D, padding: str, before: list[Any] | None = None) -> Form:
    pool = kind(
        layer.pool_size,
        strides=layer.strides,
        padding=padding,
        data_format="channels_last",
        name=layer.name,
    )
    return Form([*(before or []), pool])


def _like_same(layer: Pooling2D, x: Any) -> bool:
    pairs = zip(layer._windows, x.shape[1:3], strict=True)
    return all(windows.like_same(size) for windows, size in pairs)


def _margins(layer: Pooling2D, x: Any) -> tuple[tuple[int, int], ...] | None:
    """Positions to add on both sides of each axis; None where the size at hand tells them."""
    ends: list[Any] = [
        windows.constant_overhang() if size is None else windows.overhang(size)
        for windows, size in zip(layer._windows, x.shape[1:3], strict=True)
    ]
    if None in ends:
        return None
    return tuple(zip(layer.padding, ends, strict=True))


def _any(margins: tuple[tuple[int, int], ...]) -> bool:
    return any(map(any, margins))
