"""An update of the weights as Caffe's solvers make it, around any Keras optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.caffe.words import quoted
from keras_fcn.training.caffe_optimizer import CaffeOptimizer
from keras_fcn.training.config import TrainingConfig
from keras_fcn.training.networks import Multipliers
from keras_fcn.training.schedules import CaffeSchedule, WarmUp

__all__ = ["Solver", "make_optimizer"]

# Where Keras' optimizer of a name adds its epsilon elsewhere, or begins otherwise, than Caffe's.
_EXACT = {"adagrad": "AdaGrad", "rmsprop": "RMSProp", "adadelta": "AdaDelta"}
_REGULARIZATIONS: Mapping[str, Callable[[Any], Any]] = {"L2": lambda w: w, "L1": ops.sign}


def make_optimizer(config: TrainingConfig, updates: int) -> keras.optimizers.Optimizer:
    """The optimizer that a configuration names; under mixed_float16 with a scaled loss.

    Keras' SGD is Caffe's: the rate is folded into the velocity, and Nesterov's form is the same.
    AdaGrad, RMSProp and AdaDelta are Caffe's own, see `CaffeOptimizer`.

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
        name = config.optimizer.lower()
        if name in _EXACT:
            optimizer = CaffeOptimizer(_EXACT[name], rate, config.momentum)
        else:
            if name == "sgd":
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
        self._inner = getattr(optimizer, "inner_optimizer", optimizer)
        # First, or Keras loses sight of a part of Nadam's state.
        self._inner.build(self.trained)
        optimizer.build(self.trained)
        # Here gradients are summed over replicas and unscaled, and every optimizer comes by.
        if hasattr(self._inner, "_parallel_update_step"):  # those of Keras on PyTorch
            self._plain_update = self._inner._parallel_update_step
            self._inner._parallel_update_step = self._update_steps
            self._require_one_rate_of_nadam()
        else:
            self._plain_update = self._inner.update_step
            self._inner.update_step = self._update_step

    @property
    def variables(self) -> list[Any]:
        """The optimizer's state."""
        return list(self.optimizer.variables)

    @property
    def scaling(self) -> list[Any]:
        """The state that `scaled` reads."""
        scale = getattr(self.optimizer, "dynamic_scale", None)
        return [] if scale is None else [scale]

    @property
    def learning_rate(self) -> float:
        """The rate of the next update."""
        return float(keras.ops.convert_to_numpy(self._inner.learning_rate))

    def scaled(self, loss: Any) -> Any:
        """The loss to take gradients of."""
        return self.optimizer.scale_loss(loss)

    @property
    def clips(self) -> bool:
        """Whether the norm of all gradients together matters."""
        return self._clip_gradients is not None

    def apply(self, gradients: Sequence[Any], shares: int = 1) -> None:
        """Makes an update; called in each replica.

        Args:
            gradients: the replica's part of the sum over passes, in the order of the variables.
            shares: how many replicas bring these same gradients, which then are the sum over all
                of them.
        """
        self.optimizer.apply(self.averaged(gradients, shares), self.trained)

    def averaged(self, gradients: Sequence[Any], shares: int = 1) -> list[Any]:
        """Gradients as the optimizer gets them: clipped, and the mean over passes."""
        if self._clip_gradients is not None:
            norm = ops.sqrt(sum(ops.sum(ops.square(gradient)) for gradient in gradients))
            limit = self.scaled(ops.convert_to_tensor(self._clip_gradients, "float32"))
            factor = ops.where(norm > limit, limit / norm, 1.0)
            gradients = [gradient * (factor / shares) for gradient in gradients]
        return [gradient / self._iter_size for gradient in gradients]

    def _update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        own = self._of(variable)
        self._plain_update(self._decayed(gradient, variable), variable, learning_rate * own.rate)

    def _update_steps(
        self, gradients: Sequence[Any], variables: Sequence[Any], learning_rate: Any
    ) -> None:
        """The same for all variables, those of one rate at once."""
        groups: dict[float, list[tuple[Any, Any]]] = {}
        for gradient, variable in zip(gradients, variables, strict=True):
            pair = self._decayed(gradient, variable), variable
            groups.setdefault(self._of(variable).rate, []).append(pair)
        for rate, pairs in groups.items():
            self._plain_update(*map(list, zip(*pairs, strict=True)), learning_rate * rate)

    def _decayed(self, gradient: Any, variable: Any) -> Any:
        decay = self._weight_decay * self._of(variable).decay
        if not decay:
            return gradient
        return gradient + decay * self._penalty(ops.convert_to_tensor(variable))

    def _of(self, variable: Any) -> Multipliers:
        index: int = self._inner._get_variable_index(variable)
        return self._multipliers[index]

    def _require_one_rate_of_nadam(self) -> None:
        """Refuse what Keras on PyTorch would do wrong: Nadam counts an update for each group."""
        rates = {own.rate for own in self._multipliers}
        if isinstance(self._inner, keras.optimizers.Nadam) and len(rates) > 1:
            raise ValueError(
                "on PyTorch Keras' Nadam has one rate for all parameters; take another optimizer, "
                f"or one learning-rate multiplier. Received: {sorted(rates)}"
            )
