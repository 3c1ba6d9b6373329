"""What a run asks of a Keras backend: compiled passes, updates, batches and devices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from keras_fcn.caffe.words import quoted

if TYPE_CHECKING:
    from keras_fcn.datasets import LabelledImages
    from keras_fcn.training.solver import Solver

__all__ = ["Objective", "Part", "Runtime", "TrainStep", "note_of_devices", "require_shares"]


class Part(NamedTuple):
    """A replica's part of a loss, `weight * total / divisor`.

    Totals and divisors of all replicas are added up before they are divided, so that the devices'
    number does not matter.
    """

    total: Any
    divisor: Any
    weight: float = 1.0

    def of(self, divisor: Any) -> Any:
        """The part's share, given the divisor of all replicas."""
        return self.weight * self.total / ops.maximum(divisor, 1.0)


Objective = Callable[[Any, Any], Sequence[Part]]
"""The parts of the loss on (images, labels), in training."""


class TrainStep(ABC):
    """Passes over batches, then an update.

    Args:
        runtime: what it computes with.
        objective: gives the parts of the loss.
        solver: what is done with the gradients.
        others: variables that a pass reads or changes beside those that are trained.
    """

    def __init__(
        self, runtime: Runtime, objective: Objective, solver: Solver, others: Sequence[Any] = ()
    ) -> None:
        self._runtime = runtime
        self._objective = objective
        self._solver = solver
        self._others = list(others)

    def __call__(self, batches: Sequence[tuple[Any, Any]]) -> float:
        """Updates the weights.

        Args:
            batches: one a pass, as the runtime gives them.

        Returns:
            The mean loss of the passes.
        """
        first, *rest = batches
        loss, gradients = self.first(*first)
        losses = [loss]
        for batch in rest:
            loss, gradients = self.following(*batch, gradients)
            losses.append(loss)
        self.update(gradients)
        return sum(float(loss) for loss in losses) / len(losses)

    def _pass(self, images: Any, labels: Any) -> tuple[Any, list[Any]]:
        """A device's part of the loss and of its gradients, in a compiled function."""

        def losses() -> tuple[Any, Any]:
            loss = sum(self._share(part) for part in self._objective(images, labels))
            return self._solver.scaled(loss), loss

        _, loss, gradients = self._runtime.differentiated(
            losses, self._solver.trained, self._others
        )
        return loss, gradients

    def _added(self, images: Any, labels: Any, before: Sequence[Any]) -> tuple[Any, list[Any]]:
        """The same, the gradients added to those before."""
        loss, gradients = self._pass(images, labels)
        return loss, [old + new for old, new in zip(before, gradients, strict=True)]

    def _share(self, part: Part) -> Any:
        """What a device's part is of the loss of all."""
        return part.of(part.divisor)

    @abstractmethod
    def first(self, images: Any, labels: Any) -> tuple[Any, Any]:
        """The loss of a batch, and the gradients."""

    @abstractmethod
    def following(self, images: Any, labels: Any, gradients: Any) -> tuple[Any, Any]:
        """The loss of a batch, and its gradients added to those before."""

    @abstractmethod
    def update(self, gradients: Any) -> None:
        """Makes an update with the sum of the passes' gradients."""


class Runtime(ABC):
    """A backend and its devices, as training uses them; here those of one device.

    Attributes:
        replicas: devices of all workers that have a model of their own.
        workers: hosts.
        worker: which of them this is.
        notes: what a user should know about it before a run.
    """

    replicas: int = 1
    workers: int = 1
    worker: int = 0
    notes: Sequence[str] = ()

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes the files."""
        return self.worker == 0

    @property
    def local_replicas(self) -> int:
        """Devices of this worker."""
        return self.replicas // self.workers

    def scope(self) -> AbstractContextManager[Any]:
        """Where variables are made that are trained."""
        return nullcontext()

    def on(self, replica: int) -> AbstractContextManager[Any]:
        """Where a replica computes, in a compiled function that computes for all of them."""
        return nullcontext()

    def twin(self, model: keras.Model) -> keras.Model:
        """The model that is trained: itself on one device, else a copy on all of them."""
        return model

    def read(
        self, dataset: LabelledImages, model: keras.Model, batch_size: int, **options: Any
    ) -> Any:
        """Batches of a data set in the form that suits the backend; see `LabelledImages.to_tf`.

        What it gives has `take` and `skip`.
        """
        return dataset.to_numpy(model, batch_size, **options)

    def batches(self, pipeline: Callable[[int, tuple[int, int]], Any], batch_size: int) -> Any:
        """A batch for each device at each step, all workers' together in one order.

        Args:
            pipeline: makes what `read` gives, of (batch size, shard).
            batch_size: of all devices together.

        Raises:
            ValueError: the devices cannot share the batch evenly.
        """
        return pipeline(batch_size, (self.worker, self.workers))

    def total(self, values: npt.ArrayLike) -> np.ndarray:
        """The sum of an array over all workers; each gets it."""
        return np.asarray(values, np.float64)

    @abstractmethod
    def compiled(
        self, function: Callable[..., Any], variables: Sequence[Any]
    ) -> Callable[..., Any]:
        """A function of tensors, compiled for each of their shapes.

        Args:
            function: of tensors in any structure, to such; it may change the variables. Gradients
                in it are those that `differentiated` takes.
            variables: what it reads and changes, and no others.

        Returns:
            A function of arrays, to tensors.
        """

    @abstractmethod
    def differentiated(
        self,
        function: Callable[[], tuple[Any, Any]],
        trained: Sequence[Any],
        others: Sequence[Any] = (),
    ) -> tuple[Any, Any, list[Any]]:
        """What a function gives, and gradients; within a compiled function.

        Args:
            function: of nothing, to a loss, and tensors in any structure.
            trained: variables that the gradients are of; zeros where the loss does not follow one.
            others: further variables that it reads or changes.

        Returns:
            The loss, the tensors, and the gradients.
        """

    @abstractmethod
    def when(self, condition: Any, function: Callable[[], None], variables: Sequence[Any]) -> None:
        """Change variables, where a condition holds; within a compiled function.

        Args:
            condition: a tensor, true or false.
            function: makes the changes.
            variables: that it reads and changes.
        """

    @abstractmethod
    def train_step(self, objective: Objective, solver: Solver, model: keras.Model) -> TrainStep:
        """What makes the updates.

        Args:
            objective: gives the parts of the loss.
            solver: what is done with the gradients.
            model: whose variables the objective reads and changes.
        """


def note_of_devices(count: int, instead: str) -> Sequence[str]:
    """What to say of a backend that trains on one device, where there are several."""
    return () if count < 2 else (f"one of {count} devices trains; {instead}",)


def require_shares(batch_size: int, devices: int) -> None:
    """Refuse a batch that devices cannot share evenly.

    Raises:
        ValueError: it is one.
    """
    if batch_size % devices:
        raise ValueError(
            f"{quoted('batch_size')} must be a multiple of the {devices} devices that "
            f"share it. Received: {batch_size}"
        )
