"""The devices that share a solver's passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from keras import ops

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.recurrent import Recurrent
from keras_fcn.solver.nets import RunNet
from keras_fcn.training.networks import seeds_among
from keras_fcn.training.runtime.choice import find_runtime

__all__ = ["Devices"]


class Devices:
    """The devices of a strategy; without one, that which computes anyway.

    As with Caffe's, each makes the passes of an iteration over batches of its own, and the update
    takes the mean of the devices' gradients. The parameters are the first one's; so are what
    passes change beside them, such as the statistics of a BatchNorm.

    Args:
        strategy: of TensorFlow, for the devices of one host; None: one device.

    Attributes:
        count: how many.

    Raises:
        ValueError: a strategy of several hosts, or on a backend that has none.

    Source: `NCCL<Dtype>::on_gradients_ready` in `src/caffe/parallel.cpp` of BVLC Caffe 1.0.
    """

    def __init__(self, strategy: Any = None) -> None:
        self._runtime = None if strategy is None else find_runtime(strategy)
        self.count = 1 if self._runtime is None else self._runtime.replicas
        if self._runtime is not None and self._runtime.workers > 1:
            raise ValueError(
                "a solver trains on the devices of one host. Received: a strategy of "
                f"{self._runtime.workers} hosts"
            )

    def require(self, net: RunNet) -> None:
        """Refuse a net whose passes go on from one another, which devices cannot share.

        Raises:
            UnsupportedLayerError: a recurrent layer keeps its state for the next batch.
        """
        for layer in net.network.layers:
            keeps = isinstance(layer.params, Recurrent) and not layer.params.expose_hidden
            if keeps and self.count > 1:
                raise UnsupportedLayerError(
                    f"{layer.place}: keeps its state from batch to batch, which {self.count} "
                    "devices cannot share; train on one"
                )

    def order(self, passes: int) -> list[int]:
        """Numbers of passes in the order that they are made in: the first device comes last.

        Pass `n` is that of device `n % count`.
        """
        firsts = range(0, passes, self.count)
        return [first + device for first in firsts for device in reversed(range(self.count))]

    def mean(self, gradients: Sequence[Any] | None) -> list[Any]:
        """The mean over the devices, of sums over all of them."""
        return [x / self.count if self.count > 1 else x for x in gradients or ()]

    @contextmanager
    def making(self, number: int, net: RunNet) -> Iterator[None]:
        """Compute a pass where it belongs, in a compiled function.

        What it changes beside parameters stays only on the first device.
        """
        if self._runtime is None:
            yield
            return
        device = number % self.count
        fixed = [x for x in net.whole.variables if not x.trainable] if device else []
        seeds = set(map(id, seeds_among(fixed)))
        kept = [(x, ops.copy(x.value)) for x in fixed if id(x) not in seeds]
        with self._runtime.on(device):
            yield
        for variable, value in kept:
            variable.assign(value)
