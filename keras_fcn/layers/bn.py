"""SegNet's BN layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.layers._base import CaffeLayer

_EPS = 1e-9


@keras.saving.register_keras_serializable(package="keras_fcn")
class BN(CaffeLayer):
    """scale * x + shift of each channel; in the mode `"learn"` x is normalized first.

    Mean and variance are those of the batch at hand, also when the model does not train;
    nothing is stored. A trained network is put to use in the mode `"inference"`, with
    statistics of the training data worked into scale and shift, which is what SegNet's
    and ENet's published weights are. `keras_fcn.fine_tune` trains in the mode `"learn"`
    and works them in; so does `keras_fcn.training.update_statistics` after a training
    of another kind.

    The arithmetic is done in float32 at least, also under mixed precision.

    Source: alexgkendall/caffe-segnet, `src/caffe/layers/bn_layer.cpp`. PSPNet's layer of
    this name is `keras.layers.BatchNormalization`.

    Args:
        mode: `"learn"` or `"inference"`, Caffe's `bn_mode`.
        statistics: how many of mean and variance to give as further outputs, 0 to 2; for
            `"learn"` only.
        scale_initializer: first values of the scale, (C,).
        shift_initializer: first values of the shift, (C,).
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, H, W, C), C known.

    Output shape:
        The input's. With `statistics` a tuple: also (1, 1, 1, C) for each.

    Raises:
        ValueError: no such mode, or statistics of a mode that has none.
    """

    def __init__(
        self,
        mode: str = "learn",
        statistics: int = 0,
        scale_initializer: Any = "ones",
        shift_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if mode not in ("learn", "inference"):
            raise ValueError(f"mode must be 'learn' or 'inference'. Received: mode={mode!r}")
        if statistics not in range(3 if mode == "learn" else 1):
            raise ValueError(
                "statistics must be 0, 1 or 2, and 0 in the mode 'inference'. "
                f"Received: mode={mode!r}, statistics={statistics!r}"
            )
        self.mode = mode
        #: Is told mean, variance and number of values of each batch, in both modes.
        self.recorder: Callable[[Any, Any, Any], None] | None = None
        self.statistics = statistics
        self.scale_initializer = keras.initializers.get(scale_initializer)
        self.shift_initializer = keras.initializers.get(shift_initializer)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the scale and the shift."""
        shape = (input_shape[-1],)
        self.scale = self.add_weight(
            name="scale", shape=shape, initializer=self.scale_initializer, autocast=False
        )
        self.shift = self.add_weight(
            name="shift", shape=shape, initializer=self.shift_initializer, autocast=False
        )

    def call(self, inputs: Any) -> Any:
        """Scale and shift (N, H, W, C)."""
        x = ops.cast(inputs, keras.backend.result_type(self.compute_dtype, "float32"))
        statistics = []
        if self.mode == "learn" or self.recorder is not None:
            mean = ops.mean(x, (0, 1, 2), keepdims=True)
            centred = x - mean
            variance = ops.mean(ops.square(centred), (0, 1, 2), keepdims=True)
            statistics = [mean, variance][: self.statistics]
            if self.recorder is not None:
                self.recorder(mean, variance, ops.size(x) // x.shape[-1])
            if self.mode == "learn":
                x = centred / ops.sqrt(variance + _EPS)
        outputs = x * ops.cast(self.scale, x.dtype) + ops.cast(self.shift, x.dtype)
        outputs, *statistics = (ops.cast(y, self.compute_dtype) for y in (outputs, *statistics))
        return (outputs, *statistics) if statistics else outputs

    def work_in(self, mean: Any, variance: Any) -> None:
        """Go over to the mode `"inference"`: scale and shift do what normalizing did.

        Args:
            mean: of the layer's inputs, (C,).
            variance: of them, (C,).
        """
        scale = np.asarray(self.scale, np.float64) / np.sqrt(np.asarray(variance) + _EPS)
        self.shift.assign(np.asarray(self.shift, np.float64) - scale * np.asarray(mean))
        self.scale.assign(scale)
        self.mode = "inference"

    def take_out(self, mean: Any, variance: Any) -> None:
        """Go over to the mode `"learn"`; the inverse of `work_in`."""
        scale = np.asarray(self.scale, np.float64)
        self.shift.assign(np.asarray(self.shift, np.float64) + scale * np.asarray(mean))
        self.scale.assign(scale * np.sqrt(np.asarray(variance) + _EPS))
        self.mode = "learn"

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> Any:
        """The input's shape, and those of the statistics."""
        statistics = ((1, 1, 1, input_shape[-1]),) * self.statistics
        return (tuple(input_shape), *statistics) if statistics else tuple(input_shape)
