"""Caffe's BatchNorm layer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fcn.layers._base import CaffeLayer

_PASSES = 1000.0  # what an average that never forgets counts for where the file does not say


@keras.saving.register_keras_serializable(package="keras_fcn")
class BatchNorm(CaffeLayer):
    """(x - mean) / sqrt(variance + eps) of each channel.

    Mean and variance are those of the batch in training, which also updates the
    stored ones, and the stored ones otherwise, or when the layer is frozen. With n
    values a channel in a batch, Caffe keeps for both a sum of what the passes gave::

        factor = moving_average_fraction * factor + 1
        mean_sum = moving_average_fraction * mean_sum + mean
        variance_sum = moving_average_fraction * variance_sum + variance * n / (n - 1)

    Held here are the averages, sum / factor, as `moving_mean` and
    `moving_variance`, which are all that `keras.layers.BatchNormalization` needs
    (with `center=False, scale=False, epsilon=eps`), and `factor`. Before any
    pass everything is 0. Keras' own HDF5 files, which `load_weights(by_name=True)`
    reads, have no factor; after loading one it is that of many passes.

    The arithmetic is done in float32 at least, also under mixed precision.

    Source: Ioffe and Szegedy, "Batch Normalization"; Caffe's `batch_norm_layer.cpp`.

    Args:
        use_global_stats: always (True) or never (False) use the stored mean and
            variance; None: as said above. With False every pass, also one that does
            not train, updates them, as in Caffe.
        moving_average_fraction: what remains of the sums at each pass.
        eps: added to the variance.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C), C known.

    Output shape:
        The input's.
    """

    def __init__(
        self,
        use_global_stats: bool | None = None,
        moving_average_fraction: float = 0.999,
        eps: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.use_global_stats = use_global_stats
        self.moving_average_fraction = moving_average_fraction
        self.eps = eps
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the statistics: (C,), (C,) and (1,)."""
        self.moving_mean = self._statistic("moving_mean", input_shape[-1])
        self.moving_variance = self._statistic("moving_variance", input_shape[-1])
        self.factor = self._statistic("factor", 1)

    def _statistic(self, name: str, size: int | None) -> Any:
        return self.add_weight(
            name=name, shape=(size,), initializer="zeros", trainable=False, autocast=False
        )

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The weights that Keras' own layer has too: Keras counts them for an HDF5 file by name."""
        factor = getattr(self, "factor", None)
        return [weight for weight in super().non_trainable_weights if weight is not factor]

    def finalize_state(self) -> None:
        """Called by Keras when it has set the weights from an HDF5 file, which has no factor."""
        self.factor.assign(self.default_extra()[0])

    def default_extra(self) -> list[np.ndarray]:
        """The factor where a file holds only what stock Keras knows.

        It is the one that many passes end at. With 1, as if one pass had been seen,
        the first batch of a fine-tuning would replace half of the statistics.
        """
        forgets = self.moving_average_fraction < 1
        factor = 1 / (1 - self.moving_average_fraction) if forgets else _PASSES
        return [np.full(1, factor, "float32")]

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Normalize (N, ..., C)."""
        x = ops.cast(inputs, keras.backend.result_type(self.compute_dtype, "float32"))
        stored = self.use_global_stats
        if stored is None:
            stored = not (training and self.trainable)
        if stored:
            x = x - ops.cast(self.moving_mean, x.dtype)
            variance = ops.cast(self.moving_variance, x.dtype)
        else:
            axes = tuple(range(len(x.shape) - 1))
            mean = ops.mean(x, axes)
            x = x - mean
            variance = ops.mean(ops.square(x), axes)
            self._update(mean, variance, ops.size(x) // x.shape[-1])
        return ops.cast(x / ops.sqrt(variance + self.eps), self.compute_dtype)

    def _update(self, mean: Any, variance: Any, count: Any) -> None:
        count = ops.cast(count, variance.dtype)
        unbiased = variance * (count / ops.maximum(count - 1, 1))
        kept = self.moving_average_fraction * self.factor
        factor = kept + 1
        for weight, new in ((self.moving_mean, mean), (self.moving_variance, unbiased)):
            weight.assign((kept * weight + ops.cast(new, weight.dtype)) / factor)
        self.factor.assign(factor)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return tuple(input_shape)


@keras.saving.register_keras_serializable(package="keras_fcn")
class ScaledBatchNorm(BatchNorm):
    """`BatchNorm`, then a trained scale and bias of each channel: gamma * x + beta.

    NVIDIA's and Intel's Caffe have them in one layer; elsewhere a Scale follows. The first
    weights are those of `keras.layers.BatchNormalization`, in its order.

    Args:
        use_bias: whether there is a bias.
        **kwargs: arguments of `BatchNorm`.

    Input shape:
        (N, ..., C), C known.

    Output shape:
        The input's.
    """

    def __init__(self, use_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.use_bias = use_bias

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the scale, the bias and the statistics."""
        size = (input_shape[-1],)
        self.gamma = self.add_weight(name="gamma", shape=size, initializer="ones")
        if self.use_bias:
            self.beta = self.add_weight(name="beta", shape=size, initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Normalize (N, ..., C), scale and shift."""
        x = super().call(inputs, training=training) * self.gamma
        return x + self.beta if self.use_bias else x
