"""Training on PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import torch

from keras_fcn.training.networks import seeds_among
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

    def compiled(
        self, function: Callable[..., Any], variables: Sequence[Any]
    ) -> Callable[..., Any]:
        seeds = seeds_among(variables)

        def call(*arrays: Any) -> Any:
            _seed(seeds)
            with torch.no_grad():
                return function(*keras.tree.map_structure(keras.ops.convert_to_tensor, arrays))

        return call

    def differentiated(
        self,
        function: Callable[[], tuple[Any, Any]],
        trained: Sequence[Any],
        others: Sequence[Any] = (),
    ) -> tuple[Any, Any, list[Any]]:
        values = [variable.value for variable in trained]
        with torch.enable_grad():
            loss, found = function()
        gradients = _gradients(loss, values)
        return loss.detach(), keras.tree.map_structure(lambda x: x.detach(), found), gradients

    def when(self, condition: Any, function: Callable[[], None], variables: Sequence[Any]) -> None:
        if bool(condition):
            function()

    def train_step(self, objective: Objective, solver: Solver, model: keras.Model) -> TrainStep:
        return _Step(self, objective, solver, model)


class _Step(TrainStep):
    def __init__(
        self, runtime: TorchRuntime, objective: Objective, solver: Solver, model: keras.Model
    ) -> None:
        super().__init__(runtime, objective, solver)
        self._seeds = seeds_among(model.variables)

    def first(self, images: Any, labels: Any) -> tuple[Any, list[Any]]:
        images, labels = map(keras.ops.convert_to_tensor, (images, labels))
        _seed(self._seeds)
        loss: Any = sum(self._share(part) for part in self._objective(images, labels))
        values = [variable.value for variable in self._solver.trained]
        return loss.detach(), _gradients(self._solver.scaled(loss), values)

    def following(
        self, images: Any, labels: Any, gradients: Sequence[Any]
    ) -> tuple[Any, list[Any]]:
        loss, new = self.first(images, labels)
        return loss, torch._foreach_add(list(gradients), new)

    def update(self, gradients: Sequence[Any]) -> None:
        with torch.no_grad():
            self._solver.apply(gradients)


def _gradients(loss: Any, values: Sequence[Any]) -> list[Any]:
    if not values or not loss.requires_grad:
        return [torch.zeros_like(value) for value in values]
    found = torch.autograd.grad(loss, values, allow_unused=True)
    pairs = zip(found, values, strict=True)
    return [torch.zeros_like(value) if new is None else new for new, value in pairs]


def _seed(states: Sequence[Any]) -> None:
    """Make chance that of the checkpoint.

    Keras' dropout takes it from PyTorch's own generator, and not from its layer's state.
    """
    if states:
        seed, count = keras.ops.convert_to_numpy(states[0]).tolist()
        torch.manual_seed((seed << 32) + count)
        states[0].assign([seed, count + 1])
