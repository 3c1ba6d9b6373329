"""Caffe's Pooling layer with `pool: STOCHASTIC`."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_fcn.layers._pooling import Pooling2D, window_cells


@keras.saving.register_keras_serializable(package="keras_fcn")
class CaffeStochasticPooling2D(Pooling2D):
    """One position of each window, drawn with a probability proportional to its activation.

    While training, a window gives one of its activations, and the gradient goes there;
    else their mean weighted by themselves, sum(x ** 2) / sum(x). A window that sums to 0
    gives 0. Activations must not be negative. Window positions are those of
    `CaffeMaxPooling2D` without padding; positions outside the map have no part.

    Source: Zeiler and Fergus, "Stochastic Pooling for Regularization of Deep
    Convolutional Neural Networks"; Caffe's `pooling_layer.cu`.

    Args:
        pool_size: window height and width in pixels, or one number for both; left
            out with `global_pooling`.
        strides: pixels from one window to the next.
        round_mode: `"ceil"`, Caffe's default, or `"floor"`.
        global_pooling: pool the whole map to 1 x 1.
        seed: makes the draws repeatable.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, H, W, C); H and W may be unknown until the graph runs.

    Output shape:
        (N, H', W', C); (N, 1, 1, C) with `global_pooling`.
    """

    def __init__(
        self,
        pool_size: Any = None,
        strides: Any = 1,
        *,
        round_mode: str = "ceil",
        global_pooling: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            pool_size, strides, round_mode=round_mode, global_pooling=global_pooling, **kwargs
        )
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Pool (N, H, W, C)."""
        cells = self._cells(inputs)
        return self._drawn(cells) if training else _weighted_mean(cells)

    def _cells(self, inputs: Any) -> Any:
        """The positions of every window, (N, H', W', C, positions)."""
        if not self.global_pooling:
            padded, _ = self._pad(inputs, 0.0)
            return ops.stack(window_cells(padded, self._windows), axis=-1)
        images, height, width, channels = ops.shape(inputs)
        cells = ops.reshape(inputs, (images, 1, 1, height * width, channels))
        return ops.swapaxes(cells, -1, -2)

    def _drawn(self, cells: Any) -> Any:
        sums = ops.cumsum(cells, axis=-1)
        draws = keras.random.uniform(ops.shape(sums[..., :1]), seed=self.seed_generator)
        # Of (0, 1], so that no position of probability 0 is drawn.
        reached = sums >= (1.0 - ops.cast(draws, sums.dtype)) * sums[..., -1:]
        first = ops.argmax(ops.cast(reached, "int32"), axis=-1, keepdims=True)
        return ops.squeeze(ops.take_along_axis(cells, first, axis=-1), -1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = {**super().get_config(), "seed": self.seed}
        del config["padding"]
        return config


def _weighted_mean(cells: Any) -> Any:
    sums = ops.sum(cells, axis=-1)
    positive = sums > 0
    means = ops.sum(cells * cells, axis=-1) / ops.where(positive, sums, 1.0)
    return ops.where(positive, means, 0.0)
