"""Normalization of a network in a run: by batches in training, by the training data in use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.words import either, quoted
from keras_fcn.layers import BN
from keras_fcn.training.runtime.interface import Runtime
from keras_fcn.training.statistics import Measurement, normalizations, normalizes_by_batch

__all__ = ["Normalization", "choose_normalization", "describe_normalization"]

_SHOWN = 3


def choose_normalization(model: keras.Model, batch_norm: str) -> None:
    """Lets the layers that normalize train, or not.

    Args:
        model: the network; its layers are changed.
        batch_norm: of `TrainingConfig`.

    Raises:
        ValueError: stored statistics are asked for, and a layer has none.
    """
    for layer in normalizations(model):
        if batch_norm == "stored":
            if isinstance(layer, BN) and layer.mode == "learn":
                raise ValueError(
                    f"{quoted('batch_norm')} can be 'stored' where statistics are, and a BN in the "
                    f"mode 'learn' has none; take 'auto'. Received: layer {layer.name!r}"
                )
            layer.trainable = False
            if getattr(layer, "use_global_stats", None) is False:
                layer.use_global_stats = None
        elif batch_norm == "batch":
            layer.trainable = True
            if getattr(layer, "use_global_stats", None):
                layer.use_global_stats = None


def describe_normalization(model: keras.Model, freeze: Sequence[str]) -> list[str]:
    """What the normalization of a network does in training, in one line or two.

    Args:
        model: the network, frozen as it will be trained.
        freeze: the patterns of layers that are frozen.
    """
    layers = normalizations(model)
    stored = [layer.name for layer in layers if not _takes_batches(layer)]
    lines = []
    if len(stored) < len(layers):
        lines.append(
            f"normalization: {len(layers) - len(stored)} of {len(layers)} layers normalize by each "
            "batch in training, by statistics of the training data in use"
        )
    if stored:
        frozen = any(fnmatchcase(name, pattern) for name in stored for pattern in freeze)
        how = "do not freeze them" if frozen else either("batch_norm='batch'", "--batch-norm batch")
        shown = ", ".join([*stored[:_SHOWN], *(["..."] if len(stored) > _SHOWN else [])])
        lines.append(
            f"normalization stays frozen: {len(stored)} of {len(layers)} layers ({shown}) keep "
            f"stored statistics; to train them, {how}"
        )
    return lines


def _learns(layer: Any) -> bool:
    """Whether a layer is a BN that normalizes by the batch in training."""
    return isinstance(layer, BN) and (layer.mode == "learn" or bool(layer.trainable))


def _takes_batches(layer: Any) -> bool:
    """Whether a layer normalizes by each batch in training, frozen or not."""
    always = getattr(layer, "use_global_stats", None) is False
    return always or _learns(layer) or normalizes_by_batch(layer)


class Normalization:
    """SegNet's and ENet's BN in a run: `"learn"` in training, `"inference"` wherever it is used.

    Scale and shift of a trained network in the mode `"inference"` hold statistics already: these
    are taken out before the first update, by what the layers get of the training data, so that
    the network does in training what it did before. Layers that were never trained, all channels
    alike, begin as they are.

    Args:
        model: the network that is evaluated and saved.
        twin: the one that is trained, the same or a copy.
        batches: makes batches of the training data's images.
        runtime: what computes.
    """

    def __init__(
        self,
        model: keras.Model,
        twin: keras.Model,
        batches: Callable[[], Iterable[Any]],
        runtime: Runtime,
    ) -> None:
        pairs = list(zip(normalizations(model), normalizations(twin), strict=True))
        self._pairs = [(own, other) for own, other in pairs if _learns(own) and not own.statistics]
        self._layers = [own for own, _ in self._pairs]
        used = [layer for layer in self._layers if layer.mode == "inference"]
        self._given = [layer for layer in used if _is_trained(layer)]
        self._batches = batches
        self._before = Measurement(model, self._given, runtime)
        self._in_training = Measurement(model, self._layers, runtime)

    @contextmanager
    def out_of_sight(self) -> Iterator[None]:
        """No layer normalizes by the batch meanwhile, which sees all of the image.

        For what asks where the positions of maps lie.
        """
        modes = [(layer, layer.mode) for pair in self._pairs for layer in pair]
        self._set("inference")
        try:
            yield
        finally:
            for layer, mode in modes:
                layer.mode = mode

    def begin(self, fresh: bool) -> None:
        """Goes over to training.

        Args:
            fresh: whether the weights are those that were given, not those of a checkpoint.
        """
        if fresh and self._given:
            moments = self._before(self._batches())
            for layer, (mean, variance) in zip(self._given, moments, strict=True):
                layer.take_out(mean, variance)
            for own, other in self._pairs:
                other.set_weights(own.get_weights())
        self._set("learn")

    @contextmanager
    def worked_in(self) -> Iterator[None]:
        """The model is as in use meanwhile: with statistics of the training data."""
        if not self._layers:
            yield
            return
        learned = [layer.get_weights() for layer in self._layers]
        moments = self._in_training(self._batches())
        try:
            for layer, (mean, variance) in zip(self._layers, moments, strict=True):
                layer.work_in(mean, variance)
            yield
        finally:
            for layer, weights in zip(self._layers, learned, strict=True):
                layer.set_weights(weights)
                layer.mode = "learn"

    def finish(self) -> None:
        """Training is over: the weights are those of a model in use."""
        self._set("inference")

    def _set(self, mode: str) -> None:
        for pair in self._pairs:
            for layer in pair:
                layer.mode = mode


def _is_trained(layer: BN) -> bool:
    """Whether channels differ, as before any training they do not."""
    return any(np.ptp(np.asarray(weight)) > 0 for weight in (layer.scale, layer.shift))
