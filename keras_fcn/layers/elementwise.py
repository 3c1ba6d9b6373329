"""Caffe's functions of single elements, where Keras has no layer that does the same."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.layers._base import CaffeLayer


class Elementwise(CaffeLayer):
    """A function of each element; its arguments are numbers with Caffe's names."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return tuple(input_shape)


@keras.saving.register_keras_serializable(package="keras_fcn")
class AbsVal(Elementwise):
    """|x|; the gradient at 0 is 0."""

    def call(self, inputs: Any) -> Any:
        """Apply to a tensor of any shape."""
        return ops.abs(inputs)


@keras.saving.register_keras_serializable(package="keras_fcn")
class Clip(Elementwise):
    """max(min, min(x, max)); the gradient passes at the limits themselves.

    Args:
        min: lower limit, which wins where it is above the upper one.
        max: upper limit.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(self, min: float, max: float, **kwargs: Any) -> None:  # noqa: A002
        super().__init__(**kwargs)
        self.min = min
        self.max = max

    def call(self, inputs: Any) -> Any:
        """Apply to a tensor of any shape."""
        if self.min > self.max:  # of which backends make different things
            return 0.0 * ops.clip(inputs, 0.0, 0.0) + self.min
        return ops.clip(inputs, self.min, self.max)


@keras.saving.register_keras_serializable(package="keras_fcn")
class Exp(Elementwise):
    """base ** (shift + scale * x).

    Args:
        base: a positive number, or -1 for e.
        scale: factor of the exponent.
        shift: added to the exponent.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(
        self, base: float = -1.0, scale: float = 1.0, shift: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.base = base
        self.scale = scale
        self.shift = shift

    def call(self, inputs: Any) -> Any:
        """Apply to a tensor of any shape."""
        log = _log(self.base)
        return ops.exp(_affine(inputs, log * self.scale, log * self.shift))


@keras.saving.register_keras_serializable(package="keras_fcn")
class Log(Elementwise):
    """Logarithm of shift + scale * x; -inf at 0 and NaN below.

    Args:
        base: of the logarithm, a positive number other than 1, or -1 for e.
        scale: factor of the input.
        shift: added to the input.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(
        self, base: float = -1.0, scale: float = 1.0, shift: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.base = base
        self.scale = scale
        self.shift = shift

    def call(self, inputs: Any) -> Any:
        """Apply to a tensor of any shape."""
        return _affine(ops.log(_affine(inputs, self.scale, self.shift)), 1 / _log(self.base))


@keras.saving.register_keras_serializable(package="keras_fcn")
class Power(Elementwise):
    """(shift + scale * x) ** power.

    A power or scale of 0 gives the same number everywhere, whatever the input holds.
    The gradient is the true one also at 0, where Caffe divides 0 by 0.

    Args:
        power: the exponent.
        scale: factor of the input.
        shift: added to the input.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(
        self, power: float = 1.0, scale: float = 1.0, shift: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.power = power
        self.scale = scale
        self.shift = shift

    def call(self, inputs: Any) -> Any:
        """Apply to a tensor of any shape."""
        if self.power * self.scale == 0:
            with np.errstate(all="ignore"):  # infinity and NaN are results like others
                return ops.full_like(inputs, float(np.power(np.float64(self.shift), self.power)))
        x = _affine(inputs, self.scale, self.shift)
        if self.power == 1:
            return x
        return ops.square(x) if self.power == 2 else ops.power(x, self.power)


@keras.saving.register_keras_serializable(package="keras_fcn")
class ReLU(Elementwise):
    """max(x, 0) + negative_slope * min(x, 0), with any slope; Keras' own refuses some.

    Args:
        negative_slope: slope below 0, which is also the gradient at 0.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(self, negative_slope: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negative_slope = negative_slope

    def call(self, inputs: Any) -> Any:
        """Apply to a tensor of any shape."""
        return ops.leaky_relu(inputs, self.negative_slope)


@keras.saving.register_keras_serializable(package="keras_fcn")
class Swish(Elementwise):
    """x * sigmoid(beta * x).

    Source: Ramachandran et al., "Searching for Activation Functions".

    Args:
        beta: factor within the sigmoid.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(self, beta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.beta = beta

    def call(self, inputs: Any) -> Any:
        """Apply to a tensor of any shape."""
        return inputs * ops.sigmoid(_affine(inputs, self.beta))


@keras.saving.register_keras_serializable(package="keras_fcn")
class Threshold(Elementwise):
    """1 where x > threshold, else 0; no gradient passes.

    Args:
        threshold: the limit, which itself gives 0.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(self, threshold: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold = threshold

    def call(self, inputs: Any) -> Any:
        """Apply to a tensor of any shape."""
        return ops.cast(inputs > self.threshold, inputs.dtype)


def _affine(x: Any, scale: float, shift: float = 0.0) -> Any:
    """Scale * x + shift, without the steps that would change nothing."""
    if scale != 1:
        x = x * scale
    return x + shift if shift != 0 else x


def _log(base: float) -> float:
    return 1.0 if base == -1 else math.log(base)
