"""Operators (``a + b``) and operations of ``keras.ops``."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.to_caffe import functions, operands, shape
from keras_fcn.to_caffe.draft import Blob, Draft, array
from keras_fcn.to_caffe.joining import concatenated, joined
from keras_fcn.to_caffe.pooling import cut, global_pooling, padded
from keras_fcn.to_caffe.registry import operation


def _two(draft: Draft, name: str, how: str, x: Blob, y: Blob) -> Blob:
    ranks = len(x.final_shape), len(y.final_shape)
    if ranks[0] != ranks[1]:
        raise UnsupportedLayerError(
            f"tensors of {ranks[0]} and {ranks[1]} axes, whose last axes Keras lays along each "
            "other, batch and all; give both the same axes first"
        )
    return joined(draft, name, how, (x, y))


@operation("Add")
def add(op: Any, draft: Draft, x: Any, y: Any) -> Blob:
    """Tensors, or a tensor and numbers."""
    if isinstance(x, Blob) and isinstance(y, Blob):
        return _two(draft, op.name, "Add", x, y)
    return operands.plus(draft, op.name, *((x, y) if isinstance(x, Blob) else (y, x)))


@operation("Subtract")
def subtract(op: Any, draft: Draft, x: Any, y: Any) -> Blob:
    """As a sum."""
    if isinstance(x, Blob) and isinstance(y, Blob):
        return _two(draft, op.name, "Subtract", x, y)
    if isinstance(x, Blob):
        return operands.plus(draft, op.name, x, -array(y))
    if np.size(array(x)) == 1:
        return functions.power(draft, op.name, y, scale=-1, shift=array(x).item())
    y = functions.power(draft, f"{op.name}_minus", y, scale=-1)
    return operands.plus(draft, op.name, y, x)


@operation("Multiply")
def multiply(op: Any, draft: Draft, x: Any, y: Any) -> Blob:
    """Tensors, or a tensor and numbers."""
    if isinstance(x, Blob) and isinstance(y, Blob):
        return _two(draft, op.name, "Multiply", x, y)
    return operands.times(draft, op.name, *((x, y) if isinstance(x, Blob) else (y, x)))


@operation("Divide", "TrueDivide")
def divide(op: Any, draft: Draft, x: Any, y: Any) -> Blob:
    """As a product."""
    if not isinstance(y, Blob):
        return operands.times(draft, op.name, x, 1 / np.asarray(array(y), np.float64))
    if not isinstance(x, Blob) and np.size(array(x)) == 1 and np.all(array(x) == 1):
        return functions.power(draft, op.name, y, power=-1)
    y = functions.power(draft, f"{op.name}_inverse", y, power=-1)
    return multiply(op, draft, x, y)


@operation("Maximum", "Minimum")
def extreme(op: Any, draft: Draft, x: Any, y: Any) -> Blob:
    """Tensors, or a tensor and one number."""
    how = type(op).__name__
    if isinstance(x, Blob) and isinstance(y, Blob):
        return _two(draft, op.name, how, x, y)
    blob, number = (x, array(y)) if isinstance(x, Blob) else (y, array(x))
    if np.size(number) != 1:
        raise UnsupportedLayerError("the largest or least of a tensor and several numbers")
    function = functions.at_least if how == "Maximum" else functions.at_most
    return function(draft, op.name, blob, number.item())


@operation("Power")
def power(op: Any, draft: Draft, x: Any, y: Any) -> Blob:
    """A tensor to one number, or a positive number to a tensor."""
    if isinstance(x, Blob) and isinstance(y, Blob):
        raise UnsupportedLayerError("a power of two tensors has no equivalent in Caffe")
    number = array(y if isinstance(x, Blob) else x)
    if np.size(number) != 1:
        raise UnsupportedLayerError("a power with several numbers has no equivalent in Caffe")
    if isinstance(x, Blob):
        return functions.power(draft, op.name, x, power=number.item())
    if number <= 0:
        raise UnsupportedLayerError(f"a power of {number.item()} has no equivalent in Caffe")
    return draft.each("Exp", op.name, y, base=float(number))


_POWERS: dict[str, dict[str, float]] = {
    "Negative": {"scale": -1},
    "Reciprocal": {"power": -1},
    "Rsqrt": {"power": -0.5},
    "Sqrt": {"power": 0.5},
    "Square": {"power": 2},
}


@operation(*_POWERS)
def single_power(op: Any, draft: Draft, x: Blob) -> Blob:
    """Power."""
    return functions.power(draft, op.name, x, **_POWERS[type(op).__name__])


_KINDS: dict[str, tuple[str, dict[str, float]]] = {
    "Abs": ("AbsVal", {}),
    "Absolute": ("AbsVal", {}),
    "Exp": ("Exp", {}),
    "Exp2": ("Exp", {"base": 2.0}),
    "Log": ("Log", {}),
    "Log10": ("Log", {"base": 10.0}),
    "Log1p": ("Log", {"shift": 1.0}),
    "Log2": ("Log", {"base": 2.0}),
    "Sigmoid": ("Sigmoid", {}),
    "Silu": ("Swish", {}),
    "Softplus": ("BNLL", {}),
    "Tanh": ("TanH", {}),
}


@operation(*_KINDS)
def single_layer(op: Any, draft: Draft, x: Blob) -> Blob:
    """A layer of Caffe's."""
    kind, fields = _KINDS[type(op).__name__]
    return draft.each(kind, op.name, x, **fields)


_FUNCTIONS = {
    "HardSigmoid": functions.hard_sigmoid,
    "HardSilu": functions.hard_silu,
    "HardTanh": functions.NAMED["hard_tanh"],
    "LogSigmoid": functions.log_sigmoid,
    "Relu": functions.relu,
    "Relu6": functions.NAMED["relu6"],
    "Selu": functions.selu,
    "Softsign": functions.softsign,
    "SoftSign": functions.softsign,
    "TanhShrink": functions.tanh_shrink,
}


@operation(*_FUNCTIONS)
def function(op: Any, draft: Draft, x: Blob) -> Blob:
    """An activation."""
    return _FUNCTIONS[type(op).__name__](draft, op.name, x)


@operation("ReLU")
def relu(op: Any, draft: Draft, x: Blob) -> Blob:
    """``keras.activations.relu`` of a tensor."""
    return functions.relu(draft, op.name, x, op.negative_slope, op.max_value, op.threshold)


@operation("LeakyRelu")
def leaky_relu(op: Any, draft: Draft, x: Blob) -> Blob:
    """ReLU with a slope."""
    return functions.relu(draft, op.name, x, op.negative_slope)


@operation("Elu")
def elu(op: Any, draft: Draft, x: Blob) -> Blob:
    """ELU."""
    return functions.elu(draft, op.name, x, op.alpha)


@operation("Celu")
def celu(op: Any, draft: Draft, x: Blob) -> Blob:
    """ELU, scaled."""
    return functions.celu(draft, op.name, x, op.alpha)


@operation("Gelu")
def gelu(op: Any, draft: Draft, x: Blob) -> Blob:
    """The approximation alone."""
    if not op.approximate:
        raise UnsupportedLayerError("the exact GELU has no equivalent in Caffe")
    return functions.gelu_tanh(draft, op.name, x)


@operation("Softmax")
def softmax(op: Any, draft: Draft, x: Blob) -> Blob:
    """Along one axis."""
    axes = keras.tree.flatten(op.axis)
    if len(axes) != 1 or axes[0] is None:
        raise UnsupportedLayerError(f"axis: {op.axis}: Caffe's Softmax has one axis")
    return functions.softmax(draft, op.name, x, axes[0])


@operation("Clip")
def clip(op: Any, draft: Draft, x: Blob) -> Blob:
    """Between two numbers."""
    least, most = array(op.x_min), array(op.x_max)
    if least.size != 1 or most.size != 1:
        raise UnsupportedLayerError("limits for each element have no equivalent in Caffe")
    return functions.clip(draft, op.name, x, least.item(), most.item())


@operation("CustomScaleLayer")
def residual(op: Any, draft: Draft, x: Blob, y: Blob) -> Blob:
    """The layer of ``keras.applications.InceptionResNetV2``: x + scale * y."""
    return functions.total(draft, op.name, x, y, coeff=[1.0, float(op.scale)])


@operation("Cast", "StopGradient", "Identity", "Copy")
def identity(op: Any, draft: Draft, x: Blob, *others: Any) -> Blob:
    """Nothing in inference, between types of floats."""
    dtype = getattr(op, "dtype", None)
    if type(op).__name__ == "Cast" and not keras.backend.is_float_dtype(dtype):
        raise UnsupportedLayerError(f"dtype: {dtype}: blobs of Caffe hold floats")
    return x


@operation("Mean", "Sum", "Max")
def reduction(op: Any, draft: Draft, x: Blob) -> Blob:
    """Over height and width, over the channels, or over all of an image."""
    kind = type(op).__name__
    rank = len(x.final_shape)
    axes = range(rank) if op.axis is None else [axis % rank for axis in np.atleast_1d(op.axis)]
    if kind != "Sum" and rank == 4 and sorted(axes) == [1, 2]:
        method = "AVE" if kind == "Mean" else "MAX"
        return global_pooling(draft, op.name, x, method, op.keepdims)
    if kind == "Max":
        raise UnsupportedLayerError(f"axis: {op.axis}: Caffe finds maxima along height and width")
    return shape.reduced(draft, op.name, x, op.axis, op.keepdims, kind.upper())


@operation("Concatenate")
def concatenate(op: Any, draft: Draft, xs: Any) -> Blob:
    """Tensors."""
    if not all(isinstance(x, Blob) for x in xs):
        raise UnsupportedLayerError("numbers joined to a tensor have no equivalent in Caffe")
    return concatenated(draft, op.name, tuple(xs), op.axis)


@operation("Reshape")
def reshape(op: Any, draft: Draft, x: Blob) -> Blob:
    """Other axes; the batch stays."""
    batch, *sizes = tuple(op.newshape)
    known = math.prod(size for size in sizes if size != -1)
    if batch not in (-1, None, x.shape[0]) or (-1 not in sizes and known != x.places.size):
        raise UnsupportedLayerError(f"newshape: {op.newshape} changes the batch")
    return shape.reshaped(draft, op.name, x, sizes)


@operation("Transpose")
def transpose(op: Any, draft: Draft, x: Blob) -> Blob:
    """Other axes; the batch stays."""
    axes = op.axes or tuple(reversed(range(len(x.final_shape))))
    if axes[0] != 0:
        raise UnsupportedLayerError(f"axes: {axes}: the batch has to be the first")
    order = [axis - 1 for axis in axes[1:]]
    return draft.rearranged(x, op.name, lambda places: places.transpose(order))


@operation("Squeeze", "ExpandDims")
def with_other_axes(op: Any, draft: Draft, x: Blob) -> Blob:
    """Axes of 1 gone, or new."""
    sizes = list(op.compute_output_spec(keras.KerasTensor((3, *x.places.shape))).shape)
    if sizes[0] != 3:
        raise UnsupportedLayerError(f"axis: {op.axis}: the batch has to be the first")
    return shape.reshaped(draft, op.name, x, sizes[1:])


@operation("Pad")
def pad(op: Any, draft: Draft, x: Blob, *values: Any) -> Blob:
    """Zeros around the spatial axes."""
    batch, *sides, channels = (tuple(side) for side in op.pad_width)
    zeros = op.mode == "constant" and not any(np.any(array(value)) for value in values if value)
    if not zeros or batch != (0, 0) or channels != (0, 0):
        raise UnsupportedLayerError("only zeros around height and width have an equivalent")
    return padded(draft, x, sides)


@operation("Split")
def split(op: Any, draft: Draft, x: Blob) -> tuple[Blob, ...]:
    """Parts along an axis."""
    x = draft.plain(x)
    rank = len(x.shape)
    axis = op.axis % rank
    caffe = 1 if axis == rank - 1 else axis + 1 if axis else 0
    parts = op.indices_or_sections
    if isinstance(parts, int):
        return draft.add("Slice", op.name, x, tops=parts, axis=caffe)
    return draft.add(
        "Slice", op.name, x, tops=len(parts) + 1, axis=caffe, slice_point=list(map(int, parts))
    )


@operation("GetItem")
def get_item(op: Any, draft: Draft, x: Blob, key: Any) -> Blob:
    """Ranges of channels, or of rows and columns."""
    x = draft.plain(x)
    shape_ = (x.shape[0], *x.shape[2:], x.shape[1]) if len(x.shape) > 2 else x.shape
    keys = list(key) if isinstance(key, tuple) else [key]
    place = next((i for i, one in enumerate(keys) if one is Ellipsis), len(keys))
    rest = keys[place + 1 :]
    keys = [*keys[:place], *[slice(None)] * (len(shape_) - place - len(rest)), *rest]
    if len(keys) != len(shape_) or not all(isinstance(one, slice) for one in keys):
        raise UnsupportedLayerError("only ranges of a tensor (x[..., 1:3]) have an equivalent")
    ranges = [one.indices(size) for one, size in zip(keys, shape_, strict=True)]
    if any(step != 1 or stop <= start for start, stop, step in ranges):
        raise UnsupportedLayerError("a range with a step, or an empty one, has no equivalent")
    if keys[0] not in (slice(None), slice(0, None)):
        raise UnsupportedLayerError("a part of the batch has no equivalent")
    spatial = zip(ranges[1:-1], shape_[1:-1], strict=True)
    cells = [(start, size - stop) for (start, stop, _), size in spatial]
    x = cut(draft, op.name, x, cells)
    start, stop, _ = ranges[-1]
    points = [point for point in (start, stop) if 0 < point < shape_[-1]]
    if not points:
        return x
    parts = draft.add("Slice", f"{op.name}_channels", x, tops=len(points) + 1, slice_point=points)
    return parts[1 if start else 0]
