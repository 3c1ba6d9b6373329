"""Gradients, and functions of sizes that are not known before, on each backend."""

from __future__ import annotations

import keras
import numpy as np

BACKEND = keras.backend.backend()


def value_and_gradient(function, x):
    """The value of a function of a tensor, and its gradient as an array."""
    x = keras.ops.convert_to_tensor(x)
    if BACKEND == "jax":
        import jax

        value, gradient = jax.value_and_grad(function)(x)
    elif BACKEND == "torch":
        x = x.detach().requires_grad_()
        value = function(x)
        value.backward()
        gradient = x.grad
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        gradient = tape.gradient(value, x)
    return number(value), keras.ops.convert_to_numpy(keras.ops.cast(gradient, "float32"))


def compiled(function, *kinds):
    """A function of tensors for all sizes, each a dtype and a shape with None."""
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    if BACKEND == "torch":
        return function
    import tensorflow as tf

    shapes = [tf.TensorSpec(shape, dtype) for dtype, shape in kinds]
    return tf.function(function, input_signature=shapes, autograph=False)


LABELS = ("int32", (None, None, None))
SCORES = ("float32", (None, None, None, 4))


def array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def number(tensor) -> float:
    return float(array(tensor))
