"""An update of the weights as Caffe's solvers make it, around any Keras optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf  # gradients are summed over replicas by its strategies

from keras_fcn.caffe.words import quoted
from keras_fcn.training.config import TrainingConfig
from keras_fcn.training.networks import Multipliers
from keras_fcn.training.schedules import CaffeSchedule, WarmUp

__all__ = ["Solver", "make_optimizer"]

_REGULARIZATIONS: Mapping[str, Callable[[Any], Any]] = {"L2": lambda w: w, "L1": tf.sign}


def make_optimizer(config: TrainingConfig, updates: int) -> keras.optimizers.Optimizer:
    """The optimizer that a configuration names; under mixed_float16 with a scaled loss.

    Keras' SGD is Caffe's: the rate is folded into the velocity, and Nesterov's form is the same.

    Args:
        config: of the run.
        updates: of the whole run, the `max_iter` of the policy.

    Raises:
        ValueError: Keras has no such optimizer, the policy lacks an argument, or the warm-up is
            not shorter than the run.
    """
    if config.warmup >= updates:
        raise ValueError(
            f"{quoted('warmup')} must be below the {updates} updates of the run. "
            f"Received: {config.warmup}"
        )
    if not isinstance(config.optimizer, str):
        optimizer = keras.optimizers.deserialize(dict(config.optimizer))
    else:
        rate: keras.optimizers.schedules.LearningRateSchedule = CaffeSchedule(
            config.lr_policy,
            config.learning_rate,
            gamma=config.gamma,
            power=config.power,
            stepsize=config.stepsize,
            stepvalues=config.stepvalues,
            max_iter=updates,
        )
        if config.warmup:
            rate = WarmUp(rate, config.warmup, config.warmup_learning_rate)
        arguments: dict[str, Any] = {
            "learning_rate": keras.optimizers.schedules.serialize(rate),
        }
        if config.optimizer.lower() == "sgd":
            arguments |= {"momentum": config.momentum, "nesterov": config.nesterov}
        optimizer = keras.optimizers.get({"class_name": config.optimizer, "config": arguments})
    if config.mixed_precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


class Solver:
    """Clips, averages, decays and applies gradients, in the order of Caffe's solver.

    The sum of the passes' gradients is clipped by its norm, divided by the number of passes, the
    decay of each parameter is added, and the optimizer makes its update with the rate times the
    parameter's factor. What Keras itself clips, it clips in each replica.

    Source: `ApplyUpdate` in `src/caffe/solvers/sgd_solver.cpp` of BVLC Caffe 1.0.

    Args:
        optimizer: not built yet; made in the strategy's scope, as this is.
        variables: what it updates.
        multipliers: of each of the variables.
        weight_decay: Caffe's.
        regularization: `"L2"` or `"L1"`.
        clip_gradients: largest norm of all gradients, or None.
        iter_size: passes of an update.
    """

    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer,
        variables: Sequence[Any],
        multipliers: Sequence[Multipliers],
        *,
        weight_decay: float = 0.0,
        regularization: str = "L2",
        clip_gradients: float | None = None,
        iter_size: int = 1,
    ) -> None:
        self.optimizer = optimizer
        self.trained = list(variables)
        self._multipliers = list(multipliers)
        self._weight_decay = weight_decay
        self._penalty = _REGULARIZATIONS[regularization]
        self._clip_gradients = clip_gradients
        self._iter_size = iter_size
        optimizer.build(self.trained)
        self._inner = getattr(optimizer, "inner_optimizer", optimizer)
        self._plain_update = self._inner.update_step
        # Here gradients are summed over replicas and unscaled, and every optimizer comes by.
        self._inner.update_step = self._update_step

    @property
    def variables(self) -> list[Any]:
        """The optimizer's state."""
        return list(self.optimizer.variables)

    @property
    def learning_rate(self) -> float:
        """The rate of the next update."""
        return float(keras.ops.convert_to_numpy(self._inner.learning_rate))

    def scaled(self, loss: Any) -> Any:
        """The loss to take gradients of."""
        return self.optimizer.scale_loss(loss)

    def apply(self, gradients: Sequence[Any]) -> None:
        """Makes an update; called in each replica.

        Args:
            gradients: the replica's part of the sum over passes, in the order of the variables.
        """
        if self._clip_gradients is not None:
            gradients = self._clipped(gradients, self._clip_gradients)
        self.optimizer.apply([g / self._iter_size for g in gradients], self.trained)

    def _clipped(self, gradients: Sequence[Any], limit: float) -> list[Any]:
        replica = tf.distribute.get_replica_context()
        count = replica.num_replicas_in_sync
        if count > 1:
            # What comes from outside the graph has no device, which several workers ask for.
            parts = [tf.identity(gradient) for gradient in gradients]
            gradients = replica.all_reduce(tf.distribute.ReduceOp.SUM, parts)
        norm = tf.linalg.global_norm(gradients)
        limit = self.scaled(tf.constant(limit))
        factor = tf.where(norm > limit, limit / norm, 1.0)
        # The optimizer sums over replicas once more.
        return [g * (factor / count) for g in gradients]

    def _update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        own = self._multipliers[self._inner._get_variable_index(variable)]
        gradient = tf.convert_to_tensor(gradient)
        decay = self._weight_decay * own.decay
        if decay:
            gradient += decay * self._penalty(tf.convert_to_tensor(variable))
        self._plain_update(gradient, variable, learning_rate * own.rate)
