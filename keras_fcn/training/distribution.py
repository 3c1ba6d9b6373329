"""Devices to train on: one device, the GPUs of a host, or several hosts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from keras_fcn.caffe.words import quoted
from keras_fcn.core.card import card_of

__all__ = ["Distribution", "find_strategy"]


def find_strategy() -> tf.distribute.Strategy:
    """The strategy that the machine asks for.

    With `TF_CONFIG` and several workers in it, `MultiWorkerMirroredStrategy`: every worker runs
    the same command, and calls this before it makes a model. With several GPUs
    `MirroredStrategy`. Else TensorFlow's default, one device.

    Raises:
        ValueError: TensorFlow has worked already, and cannot join other workers any more.
    """
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


class Distribution:
    """A strategy, as training uses it.

    Attributes:
        strategy: TensorFlow's.
        replicas: devices of all workers.
        workers: hosts.
        worker: which of them this is.
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

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes the files."""
        return self.worker == 0

    @property
    def local_replicas(self) -> int:
        """Devices of this worker."""
        return self.replicas // self.workers

    def twin(self, model: keras.Model) -> keras.Model:
        """The model that is trained: itself on one device, else a copy on all of them."""
        if not self.strategy.extended._in_multi_worker_mode() and self.replicas == 1:
            return model
        with self.strategy.scope():
            twin = keras.models.clone_model(model)
        twin.card = card_of(model)
        for layer, original in zip(twin.layers, model.layers, strict=True):
            layer.trainable = original.trainable
        copy_variables(model, twin)
        for new, old in zip(twin.weights, model.weights, strict=True):
            new.trainable = old.trainable
        return twin

    def batches(
        self, pipeline: Callable[[int, tuple[int, int]], tf.data.Dataset], batch_size: int
    ) -> Any:
        """A batch for each device at each step, all workers' together in one order.

        Args:
            pipeline: makes a data set of (batch size, shard).
            batch_size: of all devices together.

        Raises:
            ValueError: the devices cannot share the batch evenly.
        """
        if batch_size % self.replicas:
            raise ValueError(
                f"{quoted('batch_size')} must be a multiple of the {self.replicas} devices that "
                f"share it. Received: {batch_size}"
            )
        shard = (self.worker, self.workers)
        size = batch_size // self.replicas
        if self.replicas == 1:
            return pipeline(size, shard)
        return self.strategy.distribute_datasets_from_function(lambda _: pipeline(size, shard))

    def total(self, values: npt.ArrayLike) -> np.ndarray:
        """The sum of an array over all workers; each gets it."""
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


def copy_variables(source: keras.Model, target: keras.Model) -> None:
    """Gives a model the variables of another one of the same make, random states included."""
    for old, new in zip(source.variables, target.variables, strict=True):
        new.assign(keras.ops.convert_to_numpy(old))
