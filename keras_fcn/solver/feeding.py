"""What feeds a net: its data layers, and the caller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.definition import NetDefinition
from keras_fcn.caffe.errors import CaffeError, NetworkError
from keras_fcn.caffe.net.network import Layer, NetState, Network, Reading
from keras_fcn.caffe.words import either
from keras_fcn.datasets.data_layers import Source, is_read, label_limits, open_source

__all__ = ["Feed", "Sources"]

Batch: TypeAlias = Mapping[str, npt.ArrayLike]
Feed: TypeAlias = Iterable[Batch] | Callable[[], Batch]
"""Batches for inputs that no data layer fills, such as those of Input layers, and for MemoryData
layers: an iterable, or a function that gives the next one. Each is input -> array in Caffe's axis
order."""


class Sources:
    """The batches of a net: what its data layers read, and what the caller gives.

    Args:
        opened: the sources of its data layers.
        feed: of the caller; None: there is none.
        path: the net's, for messages.

    Attributes:
        shapes: top of a data layer -> its shape.
        read: the tops that data layers read files for.
        tell: is given what was left out, a line for each of the first few records.
    """

    def __init__(self, opened: Sequence[Source], feed: Feed | None, path: str) -> None:
        self._opened = list(opened)
        self._path = path
        self.tell: Callable[[str], None] = _unheard
        self._told: set[str] = set()
        self._begin = [dict(source.state()) for source in opened]
        self.read = {name for source in opened for name in source.tops}
        self._feed: Callable[[], Batch] | None = None
        if callable(feed):
            self._feed = feed
        elif feed is not None:
            self._feed = _next_of(iter(feed), path)
        self.shapes = {
            name: tuple(shape) for source in opened for name, shape in source.shapes.items()
        }

    @classmethod
    def open(
        cls,
        definition: NetDefinition,
        state: NetState,
        path: str,
        base: Path,
        feed: Feed | None,
        seed: int | None,
        skip_bad: bool = False,
    ) -> Sources:
        """Open the data layers of a net's state.

        Raises:
            CaffeError: a data layer is wrong, or its data cannot be read.
        """
        opened: list[Source] = []
        try:
            for layer in _data_layers(definition, state, path):
                if layer.type == "MemoryData" and feed is not None:
                    continue
                phase = state.phase or "TRAIN"
                opened.append(open_source(layer, phase, base, seed, skip_bad=skip_bad))
        except BaseException:
            for source in opened:
                source.close()
            raise
        return cls(opened, feed, path)

    @property
    def by_layer(self) -> dict[str, Source]:
        """Data layer -> what reads it."""
        return {source.setting.layer.name: source for source in self._opened}

    def require(self, network: Network) -> None:
        """Refuse a network with inputs that nobody feeds, and labels that its losses do not have.

        Raises:
            NetworkError: the first of them is named.
        """
        limits = label_limits(network)
        for source in self._opened:
            source.limit_labels(limits)
        for layer in network.layers:
            lacking = [top.name for top in layer.tops if top.name not in self.shapes]
            if layer.is_source and lacking and self._feed is None:
                raise NetworkError(
                    f"{layer.place}: nothing feeds {', '.join(map(repr, lacking))}; "
                    + either(
                        f"give feed=, batches such as {{{lacking[0]!r}: array}}",
                        "the command line feeds nets whose data layers read files; in Python "
                        "keras_fcn.Solver(..., feed=batches) does, or a function that "
                        "keras_fcn.register gives the layer",
                    )
                )

    @property
    def skipped(self) -> int:
        """Records that could not be read and were left out."""
        return sum(source.skipped for source in self._opened)

    @property
    def waited(self) -> float:
        """Seconds that were spent waiting for data."""
        return sum(source.waited for source in self._opened)

    def next(self) -> dict[str, Any]:
        """Input -> the next batch's array, in Caffe's axis order.

        Raises:
            CaffeError: data cannot be read, or the caller's have ended.
        """
        found: dict[str, Any] = {}
        for source in self._opened:
            found |= source.next()
            for reason in source.reasons:
                if reason not in self._told:
                    self._told.add(reason)
                    self.tell(f"left out: {reason}")
        if self._feed is not None:
            found |= {name: np.asarray(x, np.float32) for name, x in self._feed().items()}
        return found

    def state(self) -> list[dict[str, Any]]:
        """The places in the data, as plain values."""
        return [dict(source.state()) for source in self._opened]

    def restore(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Go on where `state` was taken; see `require_states`."""
        self.require_states(states)
        for source, state in zip(self._opened, states, strict=True):
            source.restore(state)

    def require_states(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Refuse places that `restore` cannot go on from.

        Raises:
            CaffeError: they are the states of other data.
        """
        if len(states) != len(self._opened):
            raise CaffeError(
                f"{self._path}: the place in the data is that of {len(states)} data layers, the "
                f"net has {len(self._opened)}"
            )
        for source, state in zip(self._opened, states, strict=True):
            source.require_state(state)

    def restart(self) -> None:
        """Begin with the first record again."""
        pairs = zip(self._begin, self._opened, strict=True)
        # Arrays that were fed since are data of their own number.
        self.restore([{**old, "records": source.state()["records"]} for old, source in pairs])

    def close(self) -> None:
        """Stop reading."""
        for source in self._opened:
            source.close()


def told_of_skipped(count: int) -> str:
    """How many records were left out, for a log."""
    return f"Left out {count} records that cannot be read, each as often as its turn came"


def _unheard(line: str) -> None:
    """What is told before anybody listens."""


def _data_layers(definition: NetDefinition, state: NetState, path: str) -> list[Layer]:
    """The layers of a state whose batches are read, or made by what a user registered."""
    state = state.with_stages(definition.stages)
    kept = [x for x in definition.layers if x.tops and not x.bottoms and state.keeps(x)]
    if not kept:
        return []
    network = Network.of(replace(definition, layers=tuple(kept)), Reading(state), path=path)
    return [layer for layer in network.layers if layer.is_source and is_read(layer)]


def _next_of(batches: Iterator[Batch], path: str) -> Callable[[], Batch]:
    def following() -> Batch:
        try:
            return next(batches)
        except StopIteration:
            raise CaffeError(f"{path}: the batches of feed= have ended; give more") from None

    return following
