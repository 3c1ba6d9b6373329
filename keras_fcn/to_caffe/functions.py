"""Functions of each element, made of Caffe's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.layers._axes import channels_first_axis
from keras_fcn.to_caffe.draft import Blob, Draft

Function = Callable[[Draft, str, Blob], Blob]


def power(draft: Draft, name: str, x: Blob, **fields: float) -> Blob:
    """(shift + scale * x) ** power."""
    return draft.each("Power", name, x, **{key: float(value) for key, value in fields.items()})


def product(draft: Draft, name: str, *bottoms: Blob) -> Blob:
    """The product of blobs of one shape."""
    return draft.each("Eltwise", name, *bottoms, operation="PROD")


def total(draft: Draft, name: str, *bottoms: Blob, coeff: list[float] | None = None) -> Blob:
    """The sum of blobs of one shape, each times its coefficient."""
    return draft.each("Eltwise", name, *bottoms, operation="SUM", coeff=coeff)


def at_least(draft: Draft, name: str, x: Blob, least: float) -> Blob:
    """max(x, least); Caffe 1.0 has no Clip, but a Power of scale 0 is constant."""
    if least == 0:
        return draft.each("ReLU", name, x)
    limit = power(draft, f"{name}_limit", x, scale=0, shift=least)
    return draft.each("Eltwise", name, x, limit, operation="MAX")


def at_most(draft: Draft, name: str, x: Blob, most: float) -> Blob:
    """min(x, most), as -max(-x, -most)."""
    x = power(draft, f"{name}_minus", x, scale=-1)
    return power(draft, name, at_least(draft, f"{name}_low", x, -most), scale=-1)


def clip(draft: Draft, name: str, x: Blob, least: float, most: float) -> Blob:
    """min(max(x, least), most)."""
    return at_most(draft, name, at_least(draft, f"{name}_low", x, least), most)


def relu(
    draft: Draft,
    name: str,
    x: Blob,
    slope: float = 0.0,
    most: float | None = None,
    threshold: float = 0.0,
) -> Blob:
    """max(x, 0) + slope min(x, 0), not above `most`; or x above the threshold alone."""
    if most is None and not threshold:
        return draft.each("ReLU", name, x, negative_slope=float(slope) if slope else None)
    high = f"{name}_positive" if slope else name
    if threshold:
        above = draft.each("Threshold", f"{name}_above", x, threshold=float(threshold))
        y = product(draft, high if most is None else f"{name}_thresholded", x, above)
        if most is not None:
            y = clip(draft, high, y, 0, most)
    else:
        y = clip(draft, high, x, 0, most or 0)
    if not slope:
        return y
    below = power(draft, f"{name}_below", x, scale=-1, shift=threshold)
    below = draft.each("ReLU", f"{name}_negative", below)
    return total(draft, name, y, below, coeff=[1.0, -float(slope)])


def elu(draft: Draft, name: str, x: Blob, alpha: float = 1.0) -> Blob:
    """X, and alpha (exp(x) - 1) below 0."""
    return draft.each("ELU", name, x, alpha=float(alpha))


def selu(draft: Draft, name: str, x: Blob) -> Blob:
    """An ELU times a constant."""
    y = elu(draft, f"{name}_elu", x, 1.6732632423543772)
    return power(draft, name, y, scale=1.0507009873554805)


def celu(draft: Draft, name: str, x: Blob, alpha: float = 1.0) -> Blob:
    """An ELU of x / alpha, times alpha."""
    y = elu(draft, f"{name}_elu", power(draft, f"{name}_scaled", x, scale=1 / alpha))
    return power(draft, name, y, scale=alpha)


def hard_sigmoid(draft: Draft, name: str, x: Blob) -> Blob:
    """A line, x / 6 + 1 / 2, between 0 and 1."""
    return clip(draft, name, power(draft, f"{name}_line", x, scale=1 / 6, shift=0.5), 0, 1)


def hard_silu(draft: Draft, name: str, x: Blob) -> Blob:
    """X times its hard sigmoid."""
    return product(draft, name, x, hard_sigmoid(draft, f"{name}_sigmoid", x))


def log_sigmoid(draft: Draft, name: str, x: Blob) -> Blob:
    """Minus the softplus of -x."""
    y = draft.each("BNLL", f"{name}_softplus", power(draft, f"{name}_minus", x, scale=-1))
    return power(draft, name, y, scale=-1)


def mish(draft: Draft, name: str, x: Blob) -> Blob:
    """X times the tanh of its softplus."""
    y = draft.each("TanH", f"{name}_tanh", draft.each("BNLL", f"{name}_softplus", x))
    return product(draft, name, x, y)


def softsign(draft: Draft, name: str, x: Blob) -> Blob:
    """Each x over 1 + |x|."""
    y = power(draft, f"{name}_inverse", draft.each("AbsVal", f"{name}_abs", x), shift=1, power=-1)
    return product(draft, name, x, y)


def tanh_shrink(draft: Draft, name: str, x: Blob) -> Blob:
    """X minus its tanh."""
    return total(draft, name, x, draft.each("TanH", f"{name}_tanh", x), coeff=[1.0, -1.0])


def gelu_tanh(draft: Draft, name: str, x: Blob) -> Blob:
    """The approximation of GELU by a tanh."""
    cube = power(draft, f"{name}_cube", x, power=3)
    root = math.sqrt(2 / math.pi)
    y = total(draft, f"{name}_inner", x, cube, coeff=[root, 0.044715 * root])
    y = power(draft, f"{name}_half", draft.each("TanH", f"{name}_tanh", y), scale=0.5, shift=0.5)
    return product(draft, name, x, y)


def softmax(draft: Draft, name: str, x: Blob, axis: int = -1) -> Blob:
    """Along a Keras axis; all of a vector's elements may be in any order."""
    x = draft.made(x)
    axis = channels_first_axis(axis, len(x.final_shape))
    if x.order is not None:
        return draft.each("Softmax", name, x)
    return draft.one("Softmax", name, x, axis=None if axis == 1 else axis)


def plain(kind: str, **fields: Any) -> Function:
    """A layer of Caffe's that does it alone."""
    return lambda draft, name, x: draft.each(kind, name, x, **fields)


NAMED: dict[str, Function] = {
    "celu": celu,
    "elu": elu,
    "exp": plain("Exp"),
    "exponential": plain("Exp"),
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": hard_silu,
    "hard_swish": hard_silu,
    "hard_tanh": lambda draft, name, x: clip(draft, name, x, -1, 1),
    "leaky_relu": lambda draft, name, x: relu(draft, name, x, 0.2),
    "linear": lambda draft, name, x: x,
    "log_sigmoid": log_sigmoid,
    "mish": mish,
    "relu": relu,
    "relu6": lambda draft, name, x: relu(draft, name, x, most=6.0),
    "selu": selu,
    "sigmoid": plain("Sigmoid"),
    "silu": plain("Swish"),
    "softmax": softmax,
    "softplus": plain("BNLL"),
    "softsign": softsign,
    "swish": plain("Swish"),
    "tanh": plain("TanH"),
    "tanh_shrink": tanh_shrink,
}
"""Name of a Keras activation -> what writes it."""


def apply(function: Any, draft: Draft, name: str, x: Blob) -> Blob:
    """A Keras activation function.

    Raises:
        UnsupportedLayerError: Caffe has no such function.
    """
    called = getattr(function, "__name__", str(function))
    known = [getattr(place, called, None) for place in (keras.activations, keras.ops)]
    if called not in NAMED or not any(function is one for one in known):
        raise UnsupportedLayerError(f"activation: {called!r} has no equivalent in Caffe")
    return NAMED[called](draft, name, x)
