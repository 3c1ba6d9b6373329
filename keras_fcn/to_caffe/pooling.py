"""Pooling, and positions cut off."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_fcn import layers
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.pooling import pool_size
from keras_fcn.to_caffe import windows
from keras_fcn.to_caffe.draft import Blob, Draft
from keras_fcn.to_caffe.registry import writes


@writes(keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
def pooling(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Windows where Keras has them; Caffe rounds up, and counts padding in averages."""
    x = draft.plain(x)
    average = isinstance(layer, keras.layers.AveragePooling2D)
    pads, rests, extra, factors = [], [], [], []
    for size, length, stride in zip(x.shape[2:], layer.pool_size, layer.strides, strict=True):
        total = windows.same_padding(size, length, stride) if layer.padding == "same" else 0
        before = total // 2
        # With a stride Caffe's rounding up gives the window behind an odd total; else there
        # is one window more in front.
        more = int(total % 2 and stride == 1)
        count = (-(-size // stride)) if layer.padding == "same" else (size - length) // stride + 1
        pads.append(before + more)
        rests.append(0 if total else size - (count - 1) * stride - length)
        extra.append((more, 0))
        starts = np.arange(count) * stride - before
        inside = np.minimum(starts + length, size) - np.maximum(starts, 0)
        factors.append((np.minimum(starts + length, size + pads[-1]) - starts) / inside)
    rounding = {}
    if layer.padding == "valid" and draft.rounds_down:
        rounding["round_mode"] = "FLOOR"
    elif any(rests):
        x = cut(draft, f"{layer.name}_cut", x, [(0, rests[0]), (0, rests[1])])
    factor = np.outer(*factors) if average else np.ones(1)
    scaled, shifted = bool(np.any(factor != 1)), any(side[0] for side in extra)
    name = layer.name
    y = draft.one(
        "Pooling",
        f"{name}_windows" if scaled or shifted else name,
        x,
        pool="AVE" if average else "MAX",
        **rounding,
        **windows.pooling(layer.pool_size, layer.strides, pads),
    )
    if shifted:
        y = cut(draft, f"{name}_inner" if scaled else name, y, extra)
    if scaled:
        y = draft.one("Scale", name, y, blobs=[factor], constant=True, axis=2, num_axes=2)
    return y


@writes(
    *(getattr(keras.layers, f"{kind}Pooling{n}D") for kind in ("Max", "Average") for n in (1, 3))
)
def other_pooling(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Refused."""
    raise UnsupportedLayerError("Caffe pools along height and width only")


@writes(
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalAveragePooling3D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.GlobalMaxPooling3D,
)
def global_pooling_layer(layer: Any, draft: Draft, x: Blob) -> Blob:
    """By the layer's kind."""
    method = "AVE" if "Average" in type(layer).__name__ else "MAX"
    return global_pooling(draft, layer.name, x, method, layer.keepdims)


def global_pooling(draft: Draft, name: str, x: Blob, method: str, keepdims: bool) -> Blob:
    """One number a channel, as a vector unless the axes are kept."""
    x = draft.plain(x)
    count = len(x.shape) - 2
    if count == 2:
        y = draft.one("Pooling", name, x, pool=method, global_pooling=True)
    elif method == "AVE":
        y = draft.one("Reduction", name, x, operation="MEAN", axis=2)
    else:
        raise UnsupportedLayerError("Caffe finds maxima along height and width only")
    shape = (*[1] * count, x.shape[1]) if keepdims else (x.shape[1],)
    kind = "map" if keepdims else "vector"
    return draft.rearranged(y, f"{name}_{kind}", lambda places: places.reshape(shape))


@writes(layers.CaffeMaxPooling2D, layers.CaffeAveragePooling2D, layers.CaffeStochasticPooling2D)
def own_pooling(layer: Any, draft: Draft, x: Blob) -> Any:
    """Caffe's; rounding down, which Caffe 1.0 lacks, by cutting what would not be read."""
    kinds = {"CaffeMaxPooling2D": "MAX", "CaffeAveragePooling2D": "AVE"}
    fields: dict[str, Any] = {"pool": kinds.get(type(layer).__name__, "STOCHASTIC")}
    tops = 2 if getattr(layer, "return_mask", False) else 1
    x = draft.plain(x)
    if layer.pool_size is None:
        return draft.add("Pooling", layer.name, x, tops=tops, global_pooling=True, **fields)[:tops]
    pads = getattr(layer, "padding", (0, 0))
    fields |= windows.pooling(layer.pool_size, layer.strides, pads)
    axes = zip(x.shape[2:], layer.pool_size, layer.strides, pads, strict=True)
    rests = [(size + 2 * pad - length) % stride for size, length, stride, pad in axes]
    if layer.round_mode == "floor" and draft.rounds_down:
        fields["round_mode"] = "FLOOR"
    if layer.round_mode == "ceil" or "round_mode" in fields or not any(rests):
        return draft.add("Pooling", layer.name, x, tops=tops, **fields)[:tops]
    if not any(pads) and tops == 1:
        x = cut(draft, f"{layer.name}_cut", x, [(0, rest) for rest in rests])
        return draft.one("Pooling", layer.name, x, **fields)
    made = draft.add("Pooling", f"{layer.name}_windows", x, tops=tops, **fields)[:tops]
    rules = zip(x.shape[2:], layer.pool_size, layer.strides, pads, strict=True)
    wanted = [pool_size(*rule, "FLOOR", any(pads)) or 0 for rule in rules]
    ends = [(0, got - size) for got, size in zip(made[0].shape[2:], wanted, strict=True)]
    names = (layer.name, f"{layer.name}_mask")
    return tuple(cut(draft, name, y, ends) for name, y in zip(names, made, strict=False))


def cut(draft: Draft, name: str, x: Blob, cells: Any) -> Blob:
    """Positions (before, after) cut off along each spatial axis, of which some must be left.

    Caffe's Crop wants a second blob; a window whose one tap is where the first kept position is
    does not.
    """
    x = draft.plain(x)
    if not any(sum(side) for side in cells):
        return x
    kernel = np.zeros((x.shape[1], 1, *(sum(side) + 1 for side in cells)), np.float32)
    kernel[(slice(None), 0, *(before for before, _ in cells))] = 1
    fields = windows.convolution(kernel, [(0, 0)] * len(cells), groups=x.shape[1])
    return draft.one("Convolution", name, x, constant=True, **fields)


@writes(keras.layers.Cropping1D, keras.layers.Cropping2D, keras.layers.Cropping3D)
def cropping(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Positions on all sides."""
    cells = layer.cropping
    return cut(draft, layer.name, x, cells if isinstance(cells[0], list | tuple) else [cells])


@writes(keras.layers.CenterCrop, keras.layers.RandomCrop)
def center_crop(layer: Any, draft: Draft, x: Blob) -> Blob:
    """The middle of a larger map; a smaller one would be resized."""
    height, width = x.final_shape[2:]
    if height < layer.height or width < layer.width:
        raise UnsupportedLayerError(
            f"resizes the map of {height} x {width}, which has no equivalent in Caffe"
        )
    if isinstance(layer, keras.layers.RandomCrop) and (height, width) != (
        layer.height,
        layer.width,
    ):
        raise UnsupportedLayerError("resizes the map in inference; Caffe has no equivalent")
    top, left = (height - layer.height) // 2, (width - layer.width) // 2
    cells = [(top, height - layer.height - top), (left, width - layer.width - left)]
    return cut(draft, layer.name, x, cells)


@writes(keras.layers.Resizing)
def resizing(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Nothing where the size is that already."""
    if x.final_shape[2:] != (layer.height, layer.width):
        raise UnsupportedLayerError(
            f"resizes a map of {x.final_shape[2]} x {x.final_shape[3]} to {layer.height} x "
            f"{layer.width}, which has no equivalent in Caffe"
        )
    return x


@writes(keras.layers.ZeroPadding1D, keras.layers.ZeroPadding2D, keras.layers.ZeroPadding3D)
def zero_padding(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Left to the convolution behind, or made where another layer reads it."""
    sides = layer.padding
    return padded(draft, x, sides if isinstance(sides[0], list | tuple) else [sides])


def padded(draft: Draft, x: Blob, sides: Any) -> Blob:
    """Zeros (before, after) along each spatial axis, still to be made."""
    x = draft.plain(x) if x.order is not None else x
    old = x.margins or ((0, 0),) * len(sides)
    margins = tuple((a + c, b + d) for (a, b), (c, d) in zip(old, sides, strict=True))
    return Blob(x.name, x.shape, margins)
