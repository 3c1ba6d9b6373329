"""Caffe's Scale and Bias layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_fcn.layers._axes import along
from keras_fcn.layers._base import CaffeLayer


class _Broadcast(CaffeLayer):
    """Base of both: the operand's axis, and whether it is learned."""

    def __init__(self, shape: Sequence[int] | None, axis: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = None if shape is None else tuple(shape)
        self.axis = axis
        if self.shape is not None and None in self.shape:
            raise ValueError(f"shape must be known. Received: shape={self.shape}")

    def _learned(self, name: str, initializer: keras.Initializer) -> Any:
        if self.shape is None:
            raise ValueError("shape is missing; only what is an input needs none. Received: None")
        return self.add_weight(name=name, shape=self.shape, initializer=initializer)

    def _along(self, operand: Any, inputs: Any, *, channels_last: bool = False) -> Any:
        return along(operand, self.axis, len(inputs.shape), channels_last=channels_last)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The first input's shape."""
        return tuple(input_shape[0] if _several(input_shape) else input_shape)


@keras.saving.register_keras_serializable(package="keras_fcn")
class Scale(_Broadcast):
    """x * scale + bias; scale and bias are laid along some axes of x.

    The scale is learned, or it is the second of two inputs. Axes are counted as
    Caffe does, and what is learned has Caffe's axis order: batch 0, channels 1,
    height 2, width 3.

    Source: Caffe's `scale_layer.cpp`.

    Args:
        shape: shape of what is learned: () for one number, (C,) for one a channel.
        axis: which axis of x the first one of scale and bias lies along.
        use_bias: also learn a bias, of the scale's shape.
        scale_initializer: first values of a learned scale.
        bias_initializer: first values of the bias.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C), or a list of it and the scale; both channels-last from three
        axes on.

    Output shape:
        The first input's.

    Raises:
        ValueError: something is to be learned, but its shape is not given.
    """

    def __init__(
        self,
        shape: Sequence[int] | None = None,
        axis: int = 1,
        use_bias: bool = False,
        scale_initializer: Any = "ones",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(shape, axis, **kwargs)
        self.use_bias = use_bias
        self.scale_initializer = keras.initializers.get(scale_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        """Make the weights: scale, unless it is an input, then bias."""
        if not _several(input_shape):
            self.scale = self._learned("scale", self.scale_initializer)
        if self.use_bias:
            self.bias = self._learned("bias", self.bias_initializer)

    def call(self, inputs: Any) -> Any:
        """Scale (N, ..., C), or the first of two inputs by the second."""
        if isinstance(inputs, list | tuple):
            x, scale = inputs
            scale = self._along(scale, x, channels_last=True)
        else:
            x, scale = inputs, self._along(self.scale, inputs)
        outputs = x * scale
        return outputs + self._along(self.bias, x) if self.use_bias else outputs


@keras.saving.register_keras_serializable(package="keras_fcn")
class Bias(_Broadcast):
    """x + bias; the bias is laid along some axes of x.

    It is learned, or it is the second of two inputs; axes and shapes are those of
    `Scale`.

    Source: Caffe's `bias_layer.cpp`.

    Args:
        shape: shape of a learned bias.
        axis: which axis of x the first one of the bias lies along.
        bias_initializer: first values of a learned bias.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        shape: Sequence[int] | None = None,
        axis: int = 1,
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(shape, axis, **kwargs)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        """Make the bias, unless it is an input."""
        if not _several(input_shape):
            self.bias = self._learned("bias", self.bias_initializer)

    def call(self, inputs: Any) -> Any:
        """Add to (N, ..., C), or the second of two inputs to the first."""
        if isinstance(inputs, list | tuple):
            x, bias = inputs
            return x + self._along(bias, x, channels_last=True)
        return inputs + self._along(self.bias, inputs)


def _several(input_shape: Any) -> bool:
    """Whether these are the shapes of several inputs, not of one."""
    return len(input_shape) > 0 and isinstance(input_shape[0], list | tuple)
