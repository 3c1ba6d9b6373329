"""Class probabilities at every position."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer


@keras.saving.register_keras_serializable(package="keras_fcn")
class PixelwiseSoftmax(CaffeLayer):
    """Softmax over the last axis, computed and returned in float32.

    The head of a dense classifier: probabilities that sum to one at every
    position. It stays in float32 whatever dtype policy is set or asked for,
    since losses and thresholds suffer from float16 probabilities.

    Args:
        flatten: return (N, positions, classes) instead of the input's shape: the
            (H*W, classes) view that a loss with one weight a pixel wants.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., classes), any rank from 2 on.

    Output shape:
        The input's, or (N, positions, classes) with `flatten`.
    """

    def __init__(self, flatten: bool = False, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.flatten = flatten
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def call(self, inputs: Any) -> Any:
        """Probabilities of (N, ..., classes) logits."""
        # Keras warns of a softmax over one class; Caffe nets have it.
        one_class = inputs.shape[-1] == 1
        outputs = 0.0 * inputs + 1.0 if one_class else ops.softmax(inputs, axis=-1)
        if self.flatten:
            batch, positions, classes = self.compute_output_shape(inputs.shape)
            # One size may be left open; two need the size at run time.
            if batch is None and positions is None:
                batch = ops.shape(inputs)[0]
            sizes = (-1 if size is None else size for size in (batch, positions, classes))
            outputs = ops.reshape(outputs, tuple(sizes))
        return outputs

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape, or (N, positions, classes) with `flatten`."""
        batch, *spatial, classes = input_shape
        if not self.flatten:
            return (batch, *spatial, classes)
        known = [size for size in spatial if size is not None]
        return (batch, math.prod(known) if len(known) == len(spatial) else None, classes)
