"""Training on PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import torch

from keras_fcn.training.networks import seed_states
from keras_fcn.training.runtime.interface import (
    Objective,
    Runtime,
    TrainStep,
    note_of_devices,
)

if TYPE_CHECKING:
    from keras_fcn.training.solver import Solver

__all__ = ["TorchRuntime"]


class TorchRuntime(Runtime):
    """PyTorch on one device, operation by operation."""

    def __init__(self) -> None:
        self.notes = note_of_devices(
            torch.cuda.device_count(), "KERAS_BACKEND=tensorflow takes all"
        )

    def compiled(self, function: Callable[..., Any], model: keras.Model) -> Callable[..., Any]:
        def call(*arrays: Any) -> Any:
            with torch.no_grad():
                return function(*map(keras.ops.convert_to_tensor, arrays))

        return call

    def train_step(self, objective: Objective, solver: Solver, model: keras.Model) -> TrainStep:
        return _Step(objective, solver, model)


class _Step(TrainStep):
    def __init__(self, objective: Objective, solver: Solver, model: keras.Model) -> None:
        self._objective = objective
        self._solver = solver
        self._seeds = seed_states(model)

    def first(self, images: Any, labels: Any) -> tuple[Any, list[Any]]:
        images, labels = map(keras.ops.convert_to_tensor, (images, labels))
        self._seed()
        loss: Any = sum(part.of(part.divisor) for part in self._objective(images, labels))
        variables = [variable.value for variable in self._solver.trained]
        gradients = torch.autograd.grad(self._solver.scaled(loss), variables, allow_unused=True)
        pairs = zip(gradients, variables, strict=True)
        return loss.detach(), [torch.zeros_like(v) if g is None else g for g, v in pairs]

    def following(
        self, images: Any, labels: Any, gradients: Sequence[Any]
    ) -> tuple[Any, list[Any]]:
        loss, new = self.first(images, labels)
        return loss, torch._foreach_add(list(gradients), new)

    def update(self, gradients: Sequence[Any]) -> None:
        with torch.no_grad():
            self._solver.apply(gradients)

    def _seed(self) -> None:
        """Make chance that of the checkpoint.

        Keras' dropout takes it from PyTorch's own generator, and not from its layer's state.
        """
        if self._seeds:
            seed, count = keras.ops.convert_to_numpy(self._seeds[0]).tolist()
            torch.manual_seed((seed << 32) + count)
            self._seeds[0].assign([seed, count + 1])
