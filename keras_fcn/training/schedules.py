"""The learning-rate policies of Caffe's solvers, and a slow begin.

Source: `SGDSolver::GetLearningRate` in `src/caffe/solvers/sgd_solver.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_fcn.caffe.words import argument

__all__ = ["POLICIES", "CaffeSchedule", "WarmUp", "step_iterations"]


class _Policy(NamedTuple):
    """A formula, the arguments it needs, and what those may be left out for.

    Attributes:
        factor: of the base rate, at an iteration counted from 0 (a float32 tensor).
        needs: arguments without which there is no formula.
        divisor: the one of them that must not be 0.
    """

    factor: Callable[[Any, Any], Any]
    needs: tuple[str, ...] = ()
    divisor: str = ""


def step_iterations(stepvalues: Sequence[int]) -> list[int]:
    """The iterations at which `multistep` makes its steps.

    Caffe looks at one step value an iteration, in the order given: of equal ones, and of those
    that come too late, each makes its step an iteration behind the one before.

    Args:
        stepvalues: as they are given.
    """
    found = accumulate(stepvalues, lambda last, value: max(value, last + 1), initial=-1)
    return list(found)[1:]


def _multistep(schedule: Any, step: Any) -> Any:
    steps = ops.convert_to_tensor(step_iterations(schedule.stepvalues), "float32")
    return schedule.gamma ** ops.sum(ops.cast(step >= steps, "float32"))


#: Policy -> its formula. `t` is the iteration, from 0:
#: fixed 1; step gamma^floor(t / stepsize); multistep gamma^(steps up to t);
#: exp gamma^t; inv (1 + gamma t)^-power; poly (1 - t / max_iter)^power;
#: sigmoid 1 / (1 + exp(-gamma (t - stepsize))); each times the base rate.
POLICIES: Mapping[str, _Policy] = {
    "fixed": _Policy(lambda s, t: ops.ones_like(t)),
    "step": _Policy(
        lambda s, t: s.gamma ** ops.floor(t / s.stepsize), ("gamma", "stepsize"), "stepsize"
    ),
    "multistep": _Policy(_multistep, ("gamma", "stepvalues")),
    "exp": _Policy(lambda s, t: s.gamma**t, ("gamma",)),
    "inv": _Policy(lambda s, t: (1 + s.gamma * t) ** -s.power, ("gamma", "power")),
    "poly": _Policy(
        lambda s, t: ops.maximum(1 - t / s.max_iter, 0) ** s.power, ("max_iter",), "max_iter"
    ),
    "sigmoid": _Policy(lambda s, t: ops.sigmoid(s.gamma * (t - s.stepsize)), ("gamma", "stepsize")),
}


@keras.saving.register_keras_serializable(package="keras_fcn")
class CaffeSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate by a policy of Caffe's solvers, see `POLICIES`.

    Args:
        policy: Caffe's `lr_policy`.
        base_lr: the rate that the policy's factor multiplies.
        gamma: of `step`, `multistep`, `exp`, `inv` and `sigmoid`.
        power: of `inv` and `poly`; 1 by default for `poly`.
        stepsize: of `step` and `sigmoid`, in iterations.
        stepvalues: of `multistep`, iterations; see `step_iterations`.
        max_iter: of `poly`; beyond it the rate is 0.

    Raises:
        ValueError: no such policy, or one without an argument that it needs.
    """

    def __init__(
        self,
        policy: str,
        base_lr: float,
        *,
        gamma: float | None = None,
        power: float | None = None,
        stepsize: int | None = None,
        stepvalues: Sequence[int] = (),
        max_iter: int | None = None,
    ) -> None:
        super().__init__()
        self.policy = policy
        self.base_lr = base_lr
        self.gamma: Any = gamma
        self.power: Any = 1.0 if power is None and policy == "poly" else power
        self.stepsize: Any = stepsize
        self.stepvalues = tuple(stepvalues)
        self.max_iter: Any = max_iter
        if policy not in POLICIES:
            raise ValueError(f"`policy` must be one of {list(POLICIES)}. Received: {policy!r}")
        missing = [name for name in POLICIES[policy].needs if not self._is_given(name)]
        if missing:
            raise ValueError(
                f"policy {policy!r} needs {' and '.join(map(argument, missing))}. "
                f"Received: {self.get_config()}"
            )

    def _is_given(self, name: str) -> bool:
        value = getattr(self, name)
        return value not in (None, ()) and (value != 0 or name != POLICIES[self.policy].divisor)

    def __call__(self, step: Any) -> Any:
        """The rate of an iteration, counted from 0, as float32."""
        step = ops.cast(step, "float32")
        return self.base_lr * POLICIES[self.policy].factor(self, step)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = ("policy", "base_lr", "gamma", "power", "stepsize", "stepvalues", "max_iter")
        return {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable(package="keras_fcn")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule after a rise in equal steps, which ends where the schedule has got to by then.

    Its iterations count from the beginning of the rise: the schedule is what it is without one.

    Source: Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017,
    section 2.2, gradual warm-up.

    Args:
        schedule: what comes after.
        updates: iterations of the rise.
        start: the rate of the first iteration.

    Raises:
        ValueError: an argument out of its range.
    """

    def __init__(
        self,
        schedule: keras.optimizers.schedules.LearningRateSchedule,
        updates: int,
        start: float = 0.0,
    ) -> None:
        super().__init__()
        self.schedule = schedule
        self.updates = updates
        self.start = start
        if updates < 1 or start < 0:
            raise ValueError(
                "`updates` must be at least 1, and `start` at least 0. "
                f"Received: updates={updates!r}, start={start!r}"
            )

    def __call__(self, step: Any) -> Any:
        """The rate of an iteration, counted from 0, as float32."""
        step = ops.cast(step, "float32")
        rise = self.schedule(ops.cast(self.updates, "float32")) - self.start
        risen = self.start + rise * step / self.updates
        return ops.where(step < self.updates, risen, self.schedule(step))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        schedule = keras.optimizers.schedules.serialize(self.schedule)
        return {"schedule": schedule, "updates": self.updates, "start": self.start}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WarmUp:
        """The schedule that `get_config` describes."""
        schedule = keras.optimizers.schedules.deserialize(config["schedule"])
        return cls(**{**config, "schedule": schedule})
