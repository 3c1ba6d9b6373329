"""Layers that pool, join, cut and rearrange."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from convert.errors import UnsupportedLayerError
from keras_fcn import layers
from keras_fcn.to_caffe.draft import Blob, Draft, convolved, window_fields
from keras_fcn.to_caffe.registry import writes


@writes(keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
def pooling(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Caffe rounds up and pads with nothing: cells that Keras leaves out are cut off before."""
    x = draft.made(x)
    average = isinstance(layer, keras.layers.AveragePooling2D)
    pads, rests = [], []
    for size, length, stride in zip(x.shape[2:], layer.pool_size, layer.strides, strict=True):
        if layer.padding == "valid":
            pads.append(0)
            rests.append((size - length) % stride)
            continue
        total = max((-(-size // stride) - 1) * stride + length - size, 0)
        if average and total:
            raise UnsupportedLayerError("padding: 'same' averages differ, as Caffe counts zeros")
        pads.append(total // 2)
        rests.append(0)
    if any(rests):
        x = _cut(draft, f"{layer.name}_cut", x, [(0, rests[0]), (0, rests[1])])
    fields = window_fields(layer.pool_size, layer.strides, pads)
    return draft.one("Pooling", layer.name, x, pool="AVE" if average else "MAX", **fields)


@writes(keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)
def global_pooling(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Over the whole map, then as a vector unless the axes are kept."""
    average = isinstance(layer, keras.layers.GlobalAveragePooling2D)
    fields = {"pool": "AVE" if average else "MAX", "global_pooling": True}
    if layer.keepdims:
        return draft.one("Pooling", layer.name, x, **fields)
    y = draft.one("Pooling", f"{layer.name}_map", x, **fields)
    return draft.one("Flatten", layer.name, y)


@writes(layers.CaffeMaxPooling2D, layers.CaffeAveragePooling2D)
def own_pooling(layer: Any, draft: Draft, x: Blob) -> Any:
    """Caffe's; rounding down, which Caffe 1.0 lacks, by cutting what would not be read."""
    maximum = isinstance(layer, layers.CaffeMaxPooling2D)
    fields: dict[str, Any] = {"pool": "MAX" if maximum else "AVE"}
    x = draft.made(x)
    if layer.pool_size is None:
        fields["global_pooling"] = True
    else:
        fields |= window_fields(layer.pool_size, layer.strides, layer.padding)
        axes = zip(x.shape[2:], layer.pool_size, layer.strides, layer.padding, strict=True)
        rests = [(size + 2 * pad - length) % stride for size, length, stride, pad in axes]
        if layer.round_mode == "floor" and any(rests):
            if any(layer.padding):
                raise UnsupportedLayerError("round_mode: 'floor' with padding has no equivalent")
            x = _cut(draft, f"{layer.name}_cut", x, [(0, rests[0]), (0, rests[1])])
    if getattr(layer, "return_mask", False):
        raise UnsupportedLayerError("return_mask: a mask alone has no equivalent")
    return draft.one("Pooling", layer.name, x, **fields)


def _cut(draft: Draft, name: str, x: Blob, cells: Any) -> Blob:
    """Cells cut off: a window whose one tap is where the first kept cell is."""
    (top, bottom), (left, right) = cells
    kernel = np.zeros((x.shape[1], 1, top + bottom + 1, left + right + 1), np.float32)
    kernel[:, :, top, left] = 1
    return convolved(draft, name, draft.made(x), kernel, [(0, 0), (0, 0)], group=True)


@writes(keras.layers.Cropping2D)
def cropping(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Caffe's Crop wants a second blob; a convolution does not."""
    return _cut(draft, layer.name, x, layer.cropping)


@writes(keras.layers.ZeroPadding2D)
def zero_padding(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Left to the convolution behind, or made where another layer reads it."""
    height, width = (
        (old[0] + new[0], old[1] + new[1])
        for old, new in zip(x.margins, layer.padding, strict=True)
    )
    return replace(x, margins=(height, width))


@writes(keras.layers.UpSampling2D)
def upsampling(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Every cell written several times: a deconvolution of ones."""
    if layer.interpolation != "nearest":
        raise UnsupportedLayerError(f"interpolation: {layer.interpolation!r} has no equivalent")
    height, width = layer.size
    fields = window_fields((height, width), (height, width), (0, 0))
    fields = {
        name: [size] if name in ("kernel_size", "stride") else size for name, size in fields.items()
    }
    channels = x.shape[1]
    return draft.one(
        "Deconvolution",
        layer.name,
        x,
        blobs=[np.ones((channels, 1, height, width), np.float32)],
        num_output=channels,
        group=channels,
        bias_term=False,
        **fields,
    )


_OPERATIONS = {
    keras.layers.Add: ("SUM", None),
    keras.layers.Average: ("SUM", "mean"),
    keras.layers.Maximum: ("MAX", None),
    keras.layers.Minimum: ("MAX", "negated"),
    keras.layers.Multiply: ("PROD", None),
    keras.layers.Subtract: ("SUM", "difference"),
}


@writes(*_OPERATIONS)
def eltwise(layer: Any, draft: Draft, *bottoms: Blob) -> Blob:
    """Blobs of one shape."""
    bottoms = tuple(draft.made(bottom) for bottom in bottoms)
    if len({bottom.shape for bottom in bottoms}) > 1:
        raise UnsupportedLayerError(
            f"shapes {[bottom.shape for bottom in bottoms]} differ; Caffe does not broadcast"
        )
    operation, how = _OPERATIONS[type(layer)]
    count = len(bottoms)
    if how == "negated":
        bottoms = tuple(
            draft.one("Power", f"{layer.name}_minus{i}", bottom, scale=-1.0)
            for i, bottom in enumerate(bottoms)
        )
        y = draft.one("Eltwise", f"{layer.name}_max", *bottoms, operation="MAX")
        return draft.one("Power", layer.name, y, scale=-1.0)
    coefficients = {"mean": [1 / count] * count, "difference": [1.0, -1.0]}.get(how or "")
    fields = {} if coefficients is None else {"coeff": coefficients}
    y = draft.one("Eltwise", layer.name, *bottoms, operation=operation, **fields)
    return replace(y, channels=bottoms[0].channels)


@writes(layers.Eltwise)
def own_eltwise(layer: Any, draft: Draft, *bottoms: Blob) -> Blob:
    """Caffe's."""
    fields = {} if layer.coeff is None else {"coeff": layer.coeff}
    operation = layer.operation.upper()
    return draft.one("Eltwise", layer.name, *bottoms, operation=operation, **fields)


@writes(keras.layers.Concatenate)
def concatenate(layer: Any, draft: Draft, *bottoms: Blob) -> Blob:
    """Concat along Caffe's axis."""
    bottoms = tuple(draft.made(bottom) for bottom in bottoms)
    if any(bottom.channels is not None for bottom in bottoms):
        raise UnsupportedLayerError("joining flattened maps has no equivalent")
    rank = len(bottoms[0].final_shape)
    axis = layer.axis % rank
    if rank > 2:
        axis = 0 if axis == 0 else 1 if axis == rank - 1 else axis + 1
    return draft.one("Concat", layer.name, *bottoms, axis=axis)


@writes(keras.layers.Flatten)
def flatten(layer: Any, draft: Draft, x: Blob) -> Blob:
    """A vector, in Caffe's order: the inner product behind is reordered."""
    return x if len(x.final_shape) == 2 else replace(x, flatten=layer.name)


@writes(keras.layers.Reshape)
def reshape(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Where order does not matter: one cell, or one channel."""
    x = draft.made(x)
    target = tuple(layer.target_shape)
    size = int(np.prod(x.shape[1:]))
    target = tuple(size // -int(np.prod(target)) if t == -1 else t for t in target)
    caffe = (*target[-1:], *target[:-1]) if len(target) > 1 else target
    one_cell = int(np.prod(x.shape[2:])) == 1 and int(np.prod(caffe[1:])) == 1
    one_channel = len(x.shape) > 2 and x.shape[1] == 1 and caffe[0] == 1
    if x.channels is not None or not (one_cell or one_channel):
        raise UnsupportedLayerError(
            f"target_shape: {layer.target_shape} mixes positions and channels, whose order differs"
        )
    return draft.one("Reshape", layer.name, x, shape=(0, *caffe))


@writes(layers.CaffeReshape)
def own_reshape(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Caffe's."""
    fields = {"shape": layer.shape, "axis": layer.axis, "num_axes": layer.num_axes}
    return draft.one("Reshape", layer.name, x, **fields)


@writes(layers.Crop)
def crop(layer: Any, draft: Draft, x: Blob, reference: Blob) -> Blob:
    """Caffe's."""
    return draft.one("Crop", layer.name, x, reference, axis=layer.axis, offset=layer.offset)


@writes(layers.ArgMax)
def argmax(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Caffe's."""
    fields = {"out_max_val": layer.out_max_val, "top_k": layer.top_k}
    if layer.axis is not None:
        fields["axis"] = layer.axis
    return draft.one("ArgMax", layer.name, x, **fields)


@writes(layers.Tile)
def tile(layer: Any, draft: Draft, x: Blob) -> Blob:
    """Caffe's."""
    return draft.one("Tile", layer.name, x, axis=layer.axis, tiles=layer.tiles)


@writes(layers.Slice)
def slices(layer: Any, draft: Draft, x: Blob) -> tuple[Blob, ...]:
    """Caffe's."""
    parts = layer.parts
    tops = parts if isinstance(parts, int) else len(parts) + 1
    fields = {} if isinstance(parts, int) else {"slice_point": parts}
    return draft.add("Slice", layer.name, x, tops=tops, axis=layer.axis, **fields)
