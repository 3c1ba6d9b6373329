"""Gradients of a model's pass, on each of Keras' backends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

Target = Callable[[list[Any]], Any]


def pass_gradients(
    model: keras.Model, inputs: Sequence[np.ndarray], training: bool, target: Target
) -> tuple[list[np.ndarray | None], dict[int, np.ndarray]]:
    """Differentiate a pass, which changes the model's states as any other.

    Args:
        model: the model.
        inputs: an array for each of its inputs.
        training: as layers get it.
        target: a number made of the flat outputs.

    Returns:
        A gradient for each input, None where nothing depends on it; and of those trainable
        variables that the target depends on: id -> gradient.
    """
    tensors = [keras.ops.convert_to_tensor(x) for x in inputs]
    differentiate = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}
    found, weights = differentiate[keras.backend.backend()](model, tensors, training, target)
    variables = zip(model.trainable_variables, weights, strict=True)
    return (
        [None if gradient is None else np.asarray(gradient) for gradient in found],
        {id(v): np.asarray(gradient) for v, gradient in variables if gradient is not None},
    )


def _single(tensors: Sequence[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else list(tensors)


def _tensorflow(model: Any, inputs: list[Any], training: bool, target: Target) -> Any:
    import tensorflow as tf

    weights = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = target(keras.tree.flatten(model(_single(inputs), training=training)))
    if not tf.is_tensor(value):
        return [None] * len(inputs), [None] * len(weights)
    found = tape.gradient(value, [*inputs, *weights])
    # The gradient of a table is given by its rows in use.
    found = [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in found]
    return found[: len(inputs)], found[len(inputs) :]


def _torch(model: Any, inputs: list[Any], training: bool, target: Target) -> Any:
    weights = [variable.value for variable in model.trainable_variables]
    inputs = [x.detach().requires_grad_(x.is_floating_point()) for x in inputs]
    for weight in weights:
        weight.grad = None
    value = target(keras.tree.flatten(model(_single(inputs), training=training)))
    if getattr(value, "requires_grad", False):
        value.backward()
    return [x.grad for x in inputs], [None if w.grad is None else w.grad.numpy() for w in weights]


def _jax(model: Any, inputs: list[Any], training: bool, target: Target) -> Any:
    import jax

    states = [variable.value for variable in model.non_trainable_variables]

    def run(inputs: list[Any], weights: list[Any]) -> Any:
        outputs, after = model.stateless_call(weights, states, _single(inputs), training=training)
        return target(keras.tree.flatten(outputs)) + 0.0, after

    weights = [variable.value for variable in model.trainable_variables]
    (found, of_weights), after = jax.grad(run, (0, 1), has_aux=True)(inputs, weights)
    for variable, value in zip(model.non_trainable_variables, after, strict=True):
        variable.assign(value)
    return found, of_weights
