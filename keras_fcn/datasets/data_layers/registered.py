"""Layers whose batches a user's function makes, see `keras_fcn.register`."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.layers import param_str
from keras_fcn.caffe.layers.custom import CustomSource
from keras_fcn.caffe.net.network import Layer
from keras_fcn.datasets.data_layers.source import Batch, Setting, Source


class RegisteredSource(Source):
    """What a registered generator yields; a state is restored by running it again that far."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._running: Iterator[Any] | None = None
        self._ahead: Batch | None = self._made()
        self.shapes = {top: blob.shape for top, blob in self._ahead.items()}

    def next(self) -> Batch:
        batch = self._made() if self._ahead is None else self._ahead
        self._ahead = None
        self._given += 1
        return batch

    def _restart(self) -> None:
        self._ahead = self._running = None

    def _run(self) -> Iterator[Any]:
        """The batches from the place on."""
        layer, phase = self.setting.layer, self.setting.phase
        made = makes_batches_of(layer)
        run = _forwarded if inspect.isclass(made) else _called
        return itertools.islice(run(made, layer, phase, self._random()), self._given, None)

    def _made(self) -> Batch:
        place = self.setting.place
        if self._running is None:
            self._running = self._run()
        try:
            made = next(self._running)
        except StopIteration:
            raise CaffeError(
                f"{place}: the registered function ended after {self._given} batches; it must "
                "yield them without end"
            ) from None
        arrays = made if isinstance(made, Sequence) else (made,)
        if len(arrays) != len(self.tops):
            raise CaffeError(
                f"{place}: the registered function yields {len(arrays)} arrays for the "
                f"{len(self.tops)} tops {', '.join(self.tops)}"
            )
        values = [np.array(array, np.float32) for array in arrays]
        self._require_labels(values, f"batch {self._given}")
        return dict(zip(self.tops, values, strict=True))


class _Top:
    """A top of a pycaffe layer."""

    def __init__(self) -> None:
        self.data = np.zeros(0, np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    def reshape(self, *sizes: int) -> None:
        if sizes != self.shape:
            self.data = np.zeros(sizes, np.float32)


def _called(made: Any, *arguments: Any) -> Iterator[Any]:
    return iter(made(*arguments))


def _forwarded(made: Any, layer: Layer, phase: str, _: object) -> Iterator[Any]:
    """What a pycaffe layer puts into its tops, pass by pass."""
    python = made()
    python.param_str = param_str.of(layer.definition)
    python.phase = _PHASES[phase]
    tops = [_Top() for _ in layer.tops]
    python.setup([], tops)
    while True:
        python.reshape([], tops)
        python.forward([], tops)
        yield [top.data for top in tops]


_PHASES = {"TRAIN": 0, "TEST": 1}


def makes_batches_of(layer: Layer) -> Any:
    """The function or class that a user registered to make the batches of a layer."""
    return layer.params.batches if isinstance(layer.params, CustomSource) else None
