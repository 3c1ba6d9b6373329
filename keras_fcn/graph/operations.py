"""Spatial behaviour of the operations of `keras.ops` that no layer stands for."""

from __future__ import annotations

from typing import Any

from keras_fcn.caffe.layers.spatial import IN_PLACE, Axis, Spatial, Windows, nowhere
from keras_fcn.graph.calls import Call

OF_ELEMENTS = (
    *("Abs", "Absolute", "Add", "Arccos", "Arccosh", "Arcsin", "Arcsinh", "Arctan", "Arctan2"),
    *("Arctanh", "Cast", "Cbrt", "Ceil", "Celu", "Clip", "Copy", "Cos", "Cosh", "Deg2rad"),
    *("Divide", "DivideNoNan", "Elu", "Equal", "Erf", "Erfc", "Exp", "Exp2", "Expm1", "Floor"),
    *("FloorDivide", "Fmax", "Fmin", "Fmod", "Gelu", "Greater", "GreaterEqual", "HardShrink"),
    *("HardSigmoid", "HardSilu", "HardTanh", "Hypot", "Isfinite", "Isinf", "Isnan", "LeakyRelu"),
    *("Less", "LessEqual", "Log", "Log10", "Log1p", "Log2", "LogSigmoid", "Logaddexp"),
    *("LogicalAnd", "LogicalNot", "LogicalOr", "LogicalXor", "Maximum", "Minimum", "Mod"),
    *("Multiply", "NanToNum", "Negative", "NotEqual", "OnesLike", "Power", "Rad2deg"),
    *("Reciprocal", "Relu", "Relu6", "Round", "Rsqrt", "SaturateCast", "Selu", "Sigmoid", "Sign"),
    *("Silu", "Sin", "Sinh", "SoftShrink", "Softplus", "Softsign", "SparsePlus", "SparseSigmoid"),
    *("Sqrt", "Square", "Squareplus", "StopGradient", "Subtract", "Tan", "Tanh", "TanhShrink"),
    *("Threshold", "TrueDivide", "Trunc", "Where", "ZerosLike"),
)
"""Class names of operations on elements in the same place."""
ALONG_AXES = (
    *("Glu", "LogSoftmax", "Logsumexp", "Max", "Mean", "Min", "Prod", "Softmax", "Sparsemax"),
    *("Std", "Sum", "Var"),
)
"""Class names of operations along their `axis`, one or several."""


def sliced(call: Call) -> Spatial:
    """`x[...]`: along an axis of positions, all that lies behind a first one."""
    (_, key), kwargs = (*call.arguments[0], None)[:2], call.arguments[1]
    key = kwargs.get("key", key)
    keys: list[Any] = list(key) if isinstance(key, tuple | list) else [key]
    rank = len(call.inputs[0].shape)
    if len(call.outputs[0].shape) != rank or any(x is None for x in keys):
        return nowhere("a part that has other axes")
    if not any(x is Ellipsis for x in keys):
        keys.append(Ellipsis)
    place = next(i for i, x in enumerate(keys) if x is Ellipsis)
    every = [slice(None)] * (rank - len(keys) + 1)
    keys[place : place + 1] = every
    axes = [_kept(one) for one in keys[1:-1]]
    known = tuple(axis for axis in axes if axis is not None)
    if keys[0] != slice(None) or len(known) < len(axes):
        return nowhere("a part of the map that does not follow its size")
    return Spatial((known,))


def _kept(key: Any) -> Axis | None:
    """The positions that a slice leaves of an axis; None: their number does not follow its size."""
    start, stop, step = (key.start or 0), key.stop, (key.step or 1)
    if step < 1 or start < 0 or (stop is not None and stop >= 0):
        return None
    return Windows(stride=step, before=-start, behind=stop or 0)


def padded(call: Call) -> Spatial:
    """`keras.ops.pad` with a constant."""
    layer, rank = call.operation, len(call.inputs[0].shape)
    sides = [tuple(side) for side in layer.pad_width]
    sides = sides * rank if len(sides) == 1 else sides
    if layer.mode != "constant":
        return nowhere("those of a map continued behind its borders")
    if any(sides[0]) or any(sides[-1]):
        return nowhere("those of channels, or images, besides")
    axes = (Windows(before=before, behind=behind) for before, behind in sides[1:-1])
    return Spatial((tuple(axes) or (IN_PLACE,),))
