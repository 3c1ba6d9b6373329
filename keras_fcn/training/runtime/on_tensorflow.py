"""Training on TensorFlow: one device, the GPUs of a host, or several hosts."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from keras_fcn.core.card import card_of
from keras_fcn.training.networks import copy_variables
from keras_fcn.training.runtime.interface import (
    Objective,
    Part,
    Runtime,
    TrainStep,
    require_shares,
)

if TYPE_CHECKING:
    from keras_fcn.datasets import LabelledImages
    from keras_fcn.training.solver import Solver

__all__ = ["TensorFlowRuntime", "find_strategy", "strategy_on"]

# Without AutoGraph, which cannot read a lambda among others.
_compiled = functools.partial(tf.function, autograph=False, reduce_retracing=True)


def find_strategy() -> tf.distribute.Strategy:
    """The strategy that the machine asks for; see `keras_fcn.training.find_strategy`."""
    if len(json.loads(os.environ.get("TF_CONFIG", "{}")).get("cluster", {}).get("worker", ())) > 1:
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except RuntimeError as error:
            raise ValueError(
                "TF_CONFIG names several workers: call keras_fcn.training.find_strategy() before "
                "any model is made and pass strategy=, or give fine_tune a function that makes "
                f"the model. Received: TF_CONFIG after TensorFlow had begun ({error})"
            ) from error
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def require_strategy(strategy: Any) -> None:
    """Refuse what is no strategy.

    Raises:
        TypeError: it is something else, such as a device's name.
    """
    if not isinstance(strategy, tf.distribute.Strategy):
        raise TypeError(
            "strategy= takes a strategy of TensorFlow, such as tf.distribute.MirroredStrategy(). "
            f"Received: {strategy!r}"
        )


def strategy_on(gpus: str) -> tf.distribute.Strategy | None:
    """The strategy of GPUs by number; see `keras_fcn.training.runtime.choice.strategy_on`."""
    found = len(tf.config.list_logical_devices("GPU"))
    numbers = list(range(found)) if gpus == "all" else [int(x) for x in gpus.split(",")]
    if numbers == [0]:
        return None
    missing = [number for number in numbers if number >= found]
    if missing or not numbers:
        raise ValueError(
            f"TensorFlow finds {found} GPU here, numbered from 0. Received: {gpus}; leave it out "
            "to train on the device that is there"
        )
    return tf.distribute.MirroredStrategy([f"GPU:{number}" for number in dict.fromkeys(numbers)])


class TensorFlowRuntime(Runtime):
    """A strategy of TensorFlow, as training uses it.

    Attributes:
        strategy: TensorFlow's.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self.strategy = strategy
        self.replicas: int = strategy.num_replicas_in_sync
        resolver = getattr(strategy, "cluster_resolver", None)
        cluster = resolver.cluster_spec().as_dict() if resolver is not None else {}
        sizes = {name: len(tasks) for name, tasks in cluster.items()}
        # Where there is a chief, it comes before the workers.
        self.workers: int = max(sizes.get("chief", 0) + sizes.get("worker", 0), 1)
        self.worker: int = 0
        if resolver is not None and self.workers > 1 and resolver.task_type != "chief":
            self.worker = sizes.get("chief", 0) + resolver.task_id

    def scope(self) -> AbstractContextManager[Any]:
        scope: AbstractContextManager[Any] = self.strategy.scope()
        return scope

    def on(self, replica: int) -> AbstractContextManager[Any]:
        if not tf.distribute.has_strategy() and self.strategy is tf.distribute.get_strategy():
            return nullcontext()  # TensorFlow's default, which has no devices of its own
        place: AbstractContextManager[Any] = tf.device(
            self.strategy.extended.worker_devices[replica]
        )
        return place

    def twin(self, model: keras.Model) -> keras.Model:
        if not self.strategy.extended._in_multi_worker_mode() and self.replicas == 1:
            return model
        with self.scope():
            twin = keras.models.clone_model(model)
        twin.card = card_of(model)
        for layer, original in zip(twin.layers, model.layers, strict=True):
            layer.trainable = original.trainable
        copy_variables(model, twin)
        for new, old in zip(twin.weights, model.weights, strict=True):
            new.trainable = old.trainable
        return twin

    def read(
        self, dataset: LabelledImages, model: keras.Model, batch_size: int, **options: Any
    ) -> tf.data.Dataset:
        return dataset.to_tf(model, batch_size, **options)

    def batches(
        self, pipeline: Callable[[int, tuple[int, int]], tf.data.Dataset], batch_size: int
    ) -> Any:
        require_shares(batch_size, self.replicas)
        shard = (self.worker, self.workers)
        size = batch_size // self.replicas
        if self.replicas == 1:
            return pipeline(size, shard)
        return self.strategy.distribute_datasets_from_function(lambda _: pipeline(size, shard))

    def total(self, values: npt.ArrayLike) -> np.ndarray:
        values = np.asarray(values, np.float64)
        if self.workers == 1:
            return values

        def summed(part: Any) -> Any:
            return self.strategy.reduce(
                tf.distribute.ReduceOp.SUM, self.strategy.run(lambda: part), axis=None
            )

        # Every device of this worker adds its share.
        part = tf.constant(values / self.local_replicas)
        total: np.ndarray = tf.function(summed, autograph=False)(part).numpy()
        return total

    def compiled(
        self, function: Callable[..., Any], variables: Sequence[Any]
    ) -> Callable[..., Any]:
        # TensorFlow counts the graphs of a function by its code, which several solvers share, and
        # would warn of the fifth; a partial is counted by itself.
        run = _compiled(functools.partial(function))
        return lambda *arrays: run(*keras.tree.map_structure(tf.convert_to_tensor, arrays))

    def differentiated(
        self,
        function: Callable[[], tuple[Any, Any]],
        trained: Sequence[Any],
        others: Sequence[Any] = (),
    ) -> tuple[Any, Any, list[Any]]:
        values = [variable.value for variable in trained]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            loss, found = function()
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(loss, values, unconnected_gradients=zero)
        return loss, found, [tf.convert_to_tensor(gradient) for gradient in gradients]

    def when(self, condition: Any, function: Callable[[], None], variables: Sequence[Any]) -> None:
        def changed() -> Any:
            function()
            return tf.constant(True)

        tf.cond(condition, changed, lambda: tf.constant(False))

    def train_step(self, objective: Objective, solver: Solver, model: keras.Model) -> TrainStep:
        return _Step(self, objective, solver)


class _Step(TrainStep):
    """Keras' `fit` fails under MultiWorkerMirroredStrategy (keras#20585); this does not."""

    def __init__(self, runtime: TensorFlowRuntime, objective: Objective, solver: Solver) -> None:
        super().__init__(runtime, objective, solver)
        self._strategy = runtime.strategy
        self._run_first = _compiled(self._first)
        self._run_following = _compiled(self._following)
        self._run_update = _compiled(self._update)

    def first(self, images: Any, labels: Any) -> tuple[Any, Any]:
        loss, gradients = self._run_first(images, labels)
        return loss, gradients

    def following(self, images: Any, labels: Any, gradients: Any) -> tuple[Any, Any]:
        loss, gradients = self._run_following(images, labels, gradients)
        return loss, gradients

    def update(self, gradients: Any) -> None:
        self._run_update(gradients)

    def _first(self, images: Any, labels: Any) -> tuple[Any, Any]:
        return self._summed(*self._strategy.run(self._pass, (images, labels)))

    def _following(self, images: Any, labels: Any, gradients: Any) -> tuple[Any, Any]:
        return self._summed(*self._strategy.run(self._added, (images, labels, gradients)))

    def _update(self, gradients: Any) -> None:
        self._strategy.run(self._replica_update, (gradients,))

    def _replica_update(self, gradients: Any) -> None:
        replica = tf.distribute.get_replica_context()
        count = replica.num_replicas_in_sync
        if self._solver.clips and count > 1:
            # What comes from outside the graph has no device, which several workers ask for.
            parts = [tf.identity(gradient) for gradient in gradients]
            gradients = replica.all_reduce(tf.distribute.ReduceOp.SUM, parts)
            # The optimizer sums over replicas once more.
            self._solver.apply(gradients, shares=count)
        else:
            self._solver.apply(gradients)

    def _summed(self, loss: Any, gradients: Any) -> tuple[Any, Any]:
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, loss, axis=None), gradients

    def _share(self, part: Part) -> Any:
        replica = tf.distribute.get_replica_context()
        divisor = part.divisor
        if replica.num_replicas_in_sync > 1:
            divisor = replica.all_reduce(tf.distribute.ReduceOp.SUM, divisor)
        return part.of(divisor)
