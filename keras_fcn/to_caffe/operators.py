"""Operators (`a + b`) and operations of `keras.ops` with two operands."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.to_caffe import functions, operands
from keras_fcn.to_caffe.draft import Blob, Draft, array
from keras_fcn.to_caffe.joining import joined
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


@operation("CustomScaleLayer")
def residual(op: Any, draft: Draft, x: Blob, y: Blob) -> Blob:
    """The layer of `keras.applications.InceptionResNetV2`: x + scale * y."""
    return functions.total(draft, op.name, x, y, coeff=[1.0, float(op.scale)])
