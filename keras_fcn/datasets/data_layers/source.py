"""What every source of batches is, and which class reads which kind of layer."""

from __future__ import annotations

import abc
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from keras_fcn.caffe.definition import Fields
from keras_fcn.caffe.errors import CaffeError, UnsupportedLayerError
from keras_fcn.caffe.net.network import Layer
from keras_fcn.datasets.data_layers.label_limits import Limits

__all__ = ["SOURCES", "Batch", "Setting", "Source", "reads"]

Batch = dict[str, np.ndarray]
"""Top -> float32, in Caffe's axis order, the batch included."""

# These once stood in each layer's own message.
_MOVED = frozenset({"scale", "mean_file", "crop_size", "mirror"})


@dataclass(frozen=True)
class Setting:
    """A data layer, and how it is to be read.

    Attributes:
        layer: of a network.
        phase: `"TRAIN"` or `"TEST"`.
        folder: where files are looked for that are not in the working folder.
        seed: of all random choices.
        workers: threads that read ahead.
        skip_bad: whether records that cannot be read are left out.
    """

    layer: Layer
    phase: str
    folder: Path
    seed: int
    workers: int
    skip_bad: bool

    @property
    def place(self) -> str:
        """The layer, for messages."""
        return self.layer.place

    def message(self, name: str) -> Fields:
        """A parameter message of the layer, without fields where it has none."""
        return self.layer.definition.fields.message(name)

    def own(self, name: str, known: str) -> Fields:
        """The layer's own message, of which no field may be passed over.

        Args:
            name: of the message.
            known: the fields that are read, or say nothing here, parted by blanks.

        Raises:
            UnsupportedLayerError: it has another field.
        """
        fields = self.message(name)
        for field in fields:
            if field in known.split():
                continue
            why = "it is a fork's, and not read here"
            if field in _MOVED:
                why = "Caffe reads it in transform_param alone"
            raise UnsupportedLayerError(
                f"{self.place}: {name} has {field}: {why}; move it or take it away"
            )
        return fields

    def found(self, name: str, what: str) -> Path:
        """The file or folder that the layer names: in the working folder, else beside the net.

        Raises:
            CaffeError: it is in neither.
        """
        if not name:
            raise CaffeError(f"{self.place}: no {what} is given")
        places = dict.fromkeys((Path(name), self.folder / name))
        for path in places:
            if path.exists():
                return path
        raise CaffeError(
            f"{self.place}: no {what} {' or '.join(map(repr, map(str, places)))}; it is looked "
            "for in the working folder, then beside the prototxt"
        )

    def random(self, seed: int, *numbers: int) -> np.random.Generator:
        """Random numbers that depend on a seed, the layer and some numbers alone.

        Caffe seeds each layer by one generator of the process; its numbers cannot be had.
        """
        return np.random.default_rng([seed, zlib.crc32(self.layer.name.encode()), *numbers])

    def batch_size(self, message: str) -> int:
        """The `batch_size` of the layer's own message.

        Raises:
            CaffeError: it is not given, or not positive.
        """
        size: int = self.message(message).get("batch_size", 0)
        if size < 1:
            raise CaffeError(f"{self.place}: {message} needs a batch_size of 1 or more")
        return size


class Source(abc.ABC):
    """Batches of one data layer, in the order and with the values of Caffe's.

    Attributes:
        tops: names of the layer's tops.
        shapes: top -> shape of the first batch, in Caffe's axis order. Where images are not
            brought to one size, later batches may have others.
        waited: seconds that `next` waited for data so far.
        skipped: records that could not be read and were left out.
        reasons: why, of the first few of them.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.tops = tuple(blob.name for blob in setting.layer.tops)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.waited = 0.0
        self.skipped = 0
        self.reasons: list[str] = []
        self._seed = setting.seed
        self._given = 0
        self._limits: Limits = {}

    @abc.abstractmethod
    def next(self) -> Batch:
        """The next batch, without end.

        Raises:
            CaffeError: data that cannot be read, or do not fit; the record is named.
        """

    def __len__(self) -> int:
        """How many records, or rows, an epoch has; 0 where there is no end."""
        return 0

    def state(self) -> dict[str, Any]:
        """The place behind the last batch, random choices included; plain values."""
        return {
            "type": self.setting.layer.type,
            "seed": self._seed,
            "given": self._given,
            "records": len(self),
            "skipped": self.skipped,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on behind the batch after which a state was taken, with equal batches.

        Raises:
            CaffeError: see `require_state`.
        """
        self.require_state(state)
        self._seed, self._given = int(state["seed"]), int(state["given"])
        self.skipped = int(state["skipped"])
        self._restart()

    def require_state(self, state: Mapping[str, Any]) -> None:
        """Refuse a state that `restore` cannot go on from.

        Raises:
            CaffeError: it is the state of another layer, or the data have changed in number.
        """
        ours = self.state()
        for name in ("type", "records"):
            if state.get(name) != ours[name]:
                raise CaffeError(
                    f"{self.setting.place}: the state is of other data: {name} is "
                    f"{state.get(name)!r} in it and {ours[name]!r} here"
                )

    def limit_labels(self, limits: Limits) -> None:
        """Refuse, from the next batch on, labels that the network's losses do not have.

        Args:
            limits: of a network, see `label_limits`; those of other tops are passed over.
        """
        self._limits = {top: found for top, found in limits.items() if top in self.tops}
        self._restart()

    def _require_labels(self, arrays: Iterable[np.ndarray], name: str) -> None:
        for top, array in zip(self.tops, arrays, strict=True):
            for limit in self._limits.get(top, ()):
                limit.require(array, f"{self.setting.place}: {name}")

    def close(self) -> None:
        """Stop reading ahead; what is being read is not waited for."""
        self._restart()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _restart(self) -> None:  # noqa: B027  not every source reads ahead
        """Forget what was read ahead: the place is another."""

    def _random(self, *numbers: int) -> np.random.Generator:
        return self.setting.random(self._seed, *numbers)


S = TypeVar("S", bound=Source)
SOURCES: dict[str, type[Source]] = {}


def reads(*kinds: str) -> Callable[[type[S]], type[S]]:
    """Register the class that reads one or more kinds of layer."""

    def register(cls: type[S]) -> type[S]:
        for kind in kinds:
            if kind in SOURCES:
                raise ValueError(f"{kind} already has a source")
            SOURCES[kind] = cls
        return cls

    return register
