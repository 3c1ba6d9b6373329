"""Numbers that are the same for every input."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.layers._base import CaffeLayer


@keras.saving.register_keras_serializable(package="keras_fcn")
class Constant(CaffeLayer):
    """An array, whatever the input is; a layer without bottoms hangs on an input like this.

    Args:
        value: the array, or nested lists of its numbers.
        value_dtype: its data type.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        Any.

    Output shape:
        The array's.
    """

    def __init__(self, value: Any, value_dtype: str = "float32", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value = np.asarray(value, value_dtype)
        self.value_dtype = str(self.value.dtype)

    def call(self, inputs: Any) -> Any:
        """The array."""
        return ops.convert_to_tensor(self.value)

    def compute_output_shape(self, input_shape: Any) -> tuple[int, ...]:
        """The array's shape."""
        return self.value.shape

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """The array's shape and type."""
        return keras.KerasTensor(self.value.shape, dtype=str(self.value.dtype))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "value": self.value.tolist(),
            "value_dtype": self.value_dtype,
        }
