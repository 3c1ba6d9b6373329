"""Training on JAX."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import keras

from keras_fcn.training.runtime.interface import (
    Objective,
    Runtime,
    TrainStep,
    note_of_devices,
    require_shares,
)

if TYPE_CHECKING:
    from keras_fcn.training.solver import Solver

__all__ = ["JaxRuntime"]


class JaxRuntime(Runtime):
    """JAX on one device, or on those of Keras' data parallelism in one process.

    There XLA divides a pass among the devices, of which each has a share of the batch: loss and
    normalization are those of the whole batch.

    Raises:
        ValueError: models are distributed in another way.
    """

    def __init__(self) -> None:
        self._distribution = keras.distribution.distribution()
        if self._distribution is None:
            self.notes = note_of_devices(
                len(jax.local_devices()),
                "keras.distribution.set_distribution(keras.distribution.DataParallel()), called "
                "before a model is made, takes all",
            )
        elif type(self._distribution) is not keras.distribution.DataParallel or (
            jax.process_count() > 1
        ):
            raise ValueError(
                "on JAX training takes one device, or keras.distribution.DataParallel in one "
                f"process. Received: {self._distribution!r}, {jax.process_count()} processes"
            )

    def batches(self, pipeline: Callable[[int, tuple[int, int]], Any], batch_size: int) -> Any:
        made = super().batches(pipeline, batch_size)
        if self._distribution is None:
            return made
        require_shares(batch_size, self._distribution.num_model_replicas)
        return (tuple(map(self._divided, batch)) for batch in made)

    def _divided(self, values: Any) -> Any:
        """A batch's images or labels, each device's share on it."""
        layout = self._distribution.get_data_layout(values.shape)
        return keras.distribution.distribute_tensor(values, layout)

    def compiled(
        self, function: Callable[..., Any], variables: Sequence[Any]
    ) -> Callable[..., Any]:
        run = jax.jit(functools.partial(_called, function, variables))

        def call(*arrays: Any) -> Any:
            found, changed = run(_values(variables), *arrays)
            _assign(variables, changed)
            return found

        return call

    def differentiated(
        self,
        function: Callable[[], tuple[Any, Any]],
        trained: Sequence[Any],
        others: Sequence[Any] = (),
    ) -> tuple[Any, Any, list[Any]]:
        known = set(map(id, trained))
        variables = [*trained, *(x for x in others if id(x) not in known)]
        fixed = [x.value for x in variables[len(trained) :]]

        def passed(values: Sequence[Any]) -> tuple[Any, Any]:
            (loss, found), changed = _called(function, variables, [*values, *fixed])
            return loss, (found, changed)

        both = jax.value_and_grad(passed, has_aux=True)([x.value for x in trained])
        (loss, (found, changed)), gradients = both
        _assign_within(variables, changed)
        return loss, found, gradients

    def when(self, condition: Any, function: Callable[[], None], variables: Sequence[Any]) -> None:
        before = [x.value for x in variables]
        _, changed = _called(function, variables, before)
        held = {i: keras.ops.where(condition, new, before[i]) for i, new in changed.items()}
        _assign_within(variables, held)

    def train_step(self, objective: Objective, solver: Solver, model: keras.Model) -> TrainStep:
        return _Step(self, objective, solver, model)


class _Step(TrainStep):
    """Variables get their new values after each call, so that everything else may read them.

    Old values are not given away to XLA, which would spare memory: a model that was made from
    this one may hold them too.
    """

    def __init__(
        self, runtime: JaxRuntime, objective: Objective, solver: Solver, model: keras.Model
    ) -> None:
        trained = set(map(id, solver.trained))
        others = [x for x in model.variables if id(x) not in trained] + solver.scaling
        super().__init__(runtime, objective, solver, others)
        variables = [*solver.trained, *others]
        self._run_first = runtime.compiled(self._pass, variables)
        self._run_following = runtime.compiled(self._added, variables)
        self._run_update = jax.jit(self._updated)

    def first(self, images: Any, labels: Any) -> tuple[Any, Any]:
        loss, gradients = self._run_first(images, labels)
        return loss, gradients

    def following(self, images: Any, labels: Any, gradients: Any) -> tuple[Any, Any]:
        loss, gradients = self._run_following(images, labels, gradients)
        return loss, gradients

    def update(self, gradients: Any) -> None:
        trained, state = self._solver.trained, self._solver.variables
        values = self._run_update(_values(trained), _values(state), gradients)
        _assign([*trained, *state], dict(enumerate(values)))

    def _updated(
        self, trained: Sequence[Any], state: Sequence[Any], gradients: Sequence[Any]
    ) -> list[Any]:
        """The values of the trained variables, and of the optimizer's."""
        gradients, _ = _called(self._solver.averaged, self._solver.variables, state, gradients)
        trained, state = self._solver.optimizer.stateless_apply(state, gradients, trained)
        return [*trained, *state]


def _called(
    function: Callable[..., Any], variables: Sequence[Any], values: Sequence[Any], *arguments: Any
) -> tuple[Any, Mapping[int, Any]]:
    """What a function gives where variables have values, and what it changes them to, by index."""
    mapping = zip(variables, values, strict=True)
    with keras.StatelessScope(mapping, collect_losses=True) as scope:
        before = list(map(scope.get_current_value, variables))
        found = function(*arguments)
        after = map(scope.get_current_value, variables)
    both = enumerate(zip(before, after, strict=True))
    return found, {index: new for index, (old, new) in both if new is not old}


def _assign_within(variables: Sequence[Any], values: Mapping[int, Any]) -> None:
    """Give variables values in the scope of a compiled function."""
    for index, value in values.items():
        variables[index].assign(value)


def _values(variables: Sequence[Any]) -> list[Any]:
    return [variable._value for variable in variables]


def _assign(variables: Sequence[Any], values: Mapping[int, Any]) -> None:
    # Ten microseconds of checks for each would be a third of a step of a network with many layers.
    for index, value in values.items():
        variables[index]._direct_assign(value)
