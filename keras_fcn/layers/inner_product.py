"""Caffe's InnerProduct layer along other axes than Keras' Dense can take."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_fcn.layers._axes import (
    channels_first,
    channels_first_shape,
    channels_last,
    channels_last_shape,
)
from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class InnerProduct(CaffeLayer):
    """A dense layer over all axes from `axis` on, flattened in Caffe's order (N, C, ...).

    With `axis=1`, over a map, Keras' Flatten and Dense do the same, with the kernel
    in Keras' order (H, W, C); here it stays in Caffe's (C, H, W).

    Source: Caffe's `inner_product_layer.cpp`.

    Args:
        units: how many outputs.
        input_dim: how many inputs: the product of the sizes from `axis` on.
        axis: the first of Caffe's axes that is flattened; 0: the batch too.
        use_bias: whether a bias is added.
        kernel_initializer: of the kernel, (input_dim, units).
        bias_initializer: of the bias, (units,).
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C), any rank.

    Output shape:
        Caffe's first `axis` axes and one of `units`, channels-last.
    """

    def __init__(
        self,
        units: int,
        input_dim: int,
        axis: int = 1,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.input_dim = input_dim
        self.axis = axis
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: Shape) -> None:
        """Make kernel and bias."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.input_dim, self.units),
            initializer=self.kernel_initializer,
        )
        self.bias = (
            self.add_weight(name="bias", shape=(self.units,), initializer=self.bias_initializer)
            if self.use_bias
            else None
        )

    def call(self, inputs: Any) -> Any:
        """Multiply (N, ..., C) with the kernel."""
        x = channels_first(inputs)
        kept = ops.shape(x)[: self.axis % len(x.shape)]
        outputs = ops.matmul(ops.reshape(x, (-1, self.input_dim)), self.kernel)
        if self.bias is not None:
            outputs = ops.add(outputs, self.bias)
        if kept[1:] or not kept:
            outputs = ops.reshape(outputs, (*kept, self.units))
        return channels_last(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The kept axes and the units."""
        kept = channels_first_shape(input_shape)[: self.axis % len(input_shape)]
        return channels_last_shape((*kept, self.units))
