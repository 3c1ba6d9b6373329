"""One update of a network's weights, on one device or many."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf  # Keras' `fit` fails under MultiWorkerMirroredStrategy (keras#20585)

from keras_fcn.training.solver import Solver

__all__ = ["Part", "TrainStep"]


class Part(NamedTuple):
    """A replica's part of a loss, `weight * total / divisor`.

    Totals and divisors of all replicas are added up before they are divided, so that the devices'
    number does not matter.
    """

    total: Any
    divisor: Any
    weight: float = 1.0


class TrainStep:
    """Passes over batches, then an update.

    Args:
        strategy: where.
        objective: the parts of the loss on (images, labels), in training.
        solver: what is done with the gradients.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        objective: Callable[[Any, Any], Sequence[Part]],
        solver: Solver,
    ) -> None:
        self._strategy = strategy
        self._objective = objective
        self._solver = solver
        # Without AutoGraph, which cannot read a lambda among others.
        compiled = functools.partial(tf.function, autograph=False, reduce_retracing=True)
        self._run_first = compiled(self._first)
        self._run_next = compiled(self._next)
        self._run_update = compiled(self._update)

    def __call__(self, batches: Sequence[tuple[Any, Any]]) -> float:
        """Updates the weights.

        Args:
            batches: one a pass, as the strategy distributes them.

        Returns:
            The mean loss of the passes.
        """
        first, *rest = batches
        loss, gradients = self._run_first(*first)
        losses = [loss]
        for batch in rest:
            loss, gradients = self._run_next(*batch, gradients)
            losses.append(loss)
        self._run_update(gradients)
        return sum(float(loss) for loss in losses) / len(losses)

    def _first(self, images: Any, labels: Any) -> tuple[Any, Any]:
        return self._summed(*self._strategy.run(self._pass, (images, labels)))

    def _next(self, images: Any, labels: Any, gradients: Any) -> tuple[Any, Any]:
        def added(images: Any, labels: Any, before: Any) -> tuple[Any, Any]:
            loss, gradients = self._pass(images, labels)
            return loss, [old + new for old, new in zip(before, gradients, strict=True)]

        return self._summed(*self._strategy.run(added, (images, labels, gradients)))

    def _update(self, gradients: Any) -> None:
        self._strategy.run(self._solver.apply, (gradients,))

    def _summed(self, loss: Any, gradients: Any) -> tuple[Any, Any]:
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, loss, axis=None), gradients

    def _pass(self, images: Any, labels: Any) -> tuple[Any, list[Any]]:
        """A replica's part of the loss, and of its gradients."""
        with tf.GradientTape() as tape:
            loss = sum(_of_all_replicas(part) for part in self._objective(images, labels))
            scaled = self._solver.scaled(loss)
        variables = [variable.value for variable in self._solver.trained]
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(scaled, variables, unconnected_gradients=zero)
        return loss, [tf.convert_to_tensor(gradient) for gradient in gradients]


def _of_all_replicas(part: Part) -> Any:
    replica = tf.distribute.get_replica_context()
    divisor = part.divisor
    if replica.num_replicas_in_sync > 1:
        divisor = replica.all_reduce(tf.distribute.ReduceOp.SUM, divisor)
    return part.weight * part.total / tf.maximum(divisor, 1.0)
