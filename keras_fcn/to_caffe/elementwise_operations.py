"""Operations of `keras.ops` that work on each element, or along one axis."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.to_caffe import functions
from keras_fcn.to_caffe.draft import Blob, Draft, array
from keras_fcn.to_caffe.registry import operation

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
    """`keras.activations.relu` of a tensor."""
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


@operation("Cast", "StopGradient", "Identity", "Copy")
def identity(op: Any, draft: Draft, x: Blob, *others: Any) -> Blob:
    """Nothing in inference, between types of floats."""
    dtype = getattr(op, "dtype", None)
    if type(op).__name__ == "Cast" and not keras.backend.is_float_dtype(dtype):
        raise UnsupportedLayerError(f"dtype: {dtype}: blobs of Caffe hold floats")
    return x
