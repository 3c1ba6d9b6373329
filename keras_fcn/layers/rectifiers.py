"""Rectifiers of forks of Caffe."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_fcn.layers.elementwise import Elementwise


@keras.saving.register_keras_serializable(package="keras_fcn")
class SELU(Elementwise):
    """The scaled exponential linear unit: scale * x above 0, scale * alpha * (exp(x) - 1) below.

    The gradient at 0 is that from below, as in Caffe; Keras' own activation takes that from
    above, and has other digits of the constants.

    Source: Klambauer et al., "Self-Normalizing Neural Networks".

    Args:
        scale: factor of both branches.
        alpha: factor of the lower branch.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(
        self, scale: float = 1.050700987, alpha: float = 1.67326324, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.scale = scale
        self.alpha = alpha

    def call(self, inputs: Any) -> Any:
        """Apply to a tensor of any shape."""
        below = self.alpha * (ops.exp(ops.minimum(inputs, 0.0)) - 1.0)
        return self.scale * ops.where(inputs > 0, inputs, below)


@keras.saving.register_keras_serializable(package="keras_fcn")
class Insanity(Elementwise):
    """The randomized leaky rectifier: x above 0, x / a below.

    While training each element has an `a` of its own, drawn evenly between `lb` and
    `ub` at each pass. Afterwards it is their logarithmic mean,
    (ub - lb) / (log|ub| - log|lb|). The gradient at 0 is that from below.

    Source: `insanity_layer.cpp` of github.com/happynear/caffe-windows; Xu et al.,
    "Empirical Evaluation of Rectified Activations in Convolution Network".

    Args:
        lb: lower bound of `a`.
        ub: upper bound of `a`.
        seed: makes the numbers repeatable.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(
        self, lb: float = 5.0, ub: float = 10.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.lb = lb
        self.ub = ub
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Apply to a tensor of any shape."""
        if training:
            shape = ops.shape(inputs)
            divisor = keras.random.uniform(
                shape, self.lb, self.ub, dtype=inputs.dtype, seed=self.seed_generator
            )
        else:
            logarithms = math.log(abs(self.ub)) - math.log(abs(self.lb))
            divisor = (self.ub - self.lb) / logarithms
        return ops.where(inputs > 0, inputs, inputs / divisor)
