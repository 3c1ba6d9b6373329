"""Sources whose batches are made of records, each read on its own."""

from __future__ import annotations

import abc
import functools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets.data_layers.ahead import Ahead
from keras_fcn.datasets.data_layers.source import Batch, Setting, Source

__all__ = ["Record", "RecordError", "RecordSource"]

_BATCHES_AHEAD = 2
_MOST_REASONS = 5
_ORDER, _SKIP, _TRANSFORM = range(3)  # what random numbers are for


class RecordError(CaffeError):
    """A record that cannot be read, which `skip_bad` leaves out."""


@dataclass(frozen=True)
class Record:
    """What a record gives: a name for messages, and an array for each top, without the batch."""

    name: str
    arrays: tuple[np.ndarray, ...]


class RecordSource(Source):
    """Records in order, or shuffled anew in each epoch; batches go on across epochs.

    Args:
        setting: of the source.
        batch_size: records of a batch.
        shuffle: whether their order is random.
        rand_skip: fewer than so many records are left out at the very beginning.
    """

    def __init__(
        self, setting: Setting, batch_size: int, *, shuffle: bool = False, rand_skip: int = 0
    ) -> None:
        super().__init__(setting)
        self.batch_size = batch_size
        self._shuffle, self._rand_skip = shuffle, rand_skip
        self._chunk = max(1, batch_size // setting.workers)
        self._ahead: Ahead[list[tuple[int, Record | CaffeError]]] | None = None
        self._ready: deque[tuple[int, Record | CaffeError]] = deque()
        self._order = functools.lru_cache(maxsize=2)(self._order_of)

    @abc.abstractmethod
    def record(self, index: int, number: int) -> Record:
        """Read a record; called in threads.

        Args:
            index: which of the `len(self)` records.
            number: how many records were begun before it; tells its random choices.

        Raises:
            RecordError: it cannot be read.
        """

    def _begin(self) -> None:
        """Learn the shapes from the first record; to be called when all is set."""
        if self._rand_skip and len(self) <= self._skip():
            raise CaffeError(
                f"{self.setting.place}: rand_skip {self._rand_skip} is more than the {len(self)} "
                f"records of {self.what}"
            )
        shapes = [(self.batch_size, *array.shape) for array in self._first().arrays]
        self.shapes = dict(zip(self.tops, shapes, strict=True))

    @property
    def what(self) -> str:
        """What is read, for messages."""
        return self.setting.layer.type

    def next(self) -> Batch:
        try:
            rows, bad, last = self._taken_rows()
            batch = self._batch(rows)
        except BaseException:
            self._restart()  # the same batch comes next, or the same error
            raise
        self._given = last + 1
        self.skipped += bad
        return batch

    def _taken_rows(self) -> tuple[list[Record], int, int]:
        """The records of a batch, how many bad ones lie between, and the last one's number."""
        rows: list[Record] = []
        bad = in_a_row = number = 0
        while len(rows) < self.batch_size:
            number, record = self._taken()
            if isinstance(record, Record):
                rows.append(record)
                in_a_row = 0
                continue
            bad, in_a_row = bad + 1, in_a_row + 1
            self._pass_over(record, in_a_row)
        return rows, bad, number

    def _pass_over(self, error: CaffeError, in_a_row: int) -> None:
        if not (self.setting.skip_bad and isinstance(error, RecordError)):
            raise error
        if in_a_row >= len(self):
            raise CaffeError(f"{error}; so are all {len(self)} records") from error
        reason = str(error)
        if len(self.reasons) < _MOST_REASONS and reason not in self.reasons:  # once in all epochs
            self.reasons.append(reason)

    def _restart(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None
        self._ready.clear()

    def _taken(self) -> tuple[int, Record | CaffeError]:
        if self._ahead is None:
            depth = -(-self.batch_size * _BATCHES_AHEAD // self._chunk)
            work = functools.partial(self._records, self._given)
            self._ahead = Ahead(work, self.setting.workers, max(depth, self.setting.workers))
        if not self._ready:
            before = self._ahead.waited
            self._ready.extend(self._ahead.next())
            self.waited += self._ahead.waited - before
        return self._ready.popleft()

    def _records(self, first: int, chunk: int) -> list[tuple[int, Record | CaffeError]]:
        """Some records in a row, read in one thread."""
        start = first + chunk * self._chunk
        return [(number, self._read(number)) for number in range(start, start + self._chunk)]

    def _read(self, number: int) -> Record | CaffeError:
        try:
            record = self.record(self._index(number), number)
            self._require_labels(record.arrays, record.name)
        except CaffeError as error:
            return error
        return record

    def _first(self) -> Record:
        """The first record that can be read."""
        for number in range(len(self)):
            record = self._read(number)
            if isinstance(record, Record):
                return record
            self._pass_over(record, number + 1)
        raise CaffeError(f"{self.setting.place}: there is nothing in {self.what}")

    def _batch(self, rows: Sequence[Record]) -> Batch:
        first = rows[0]
        tops = self.tops[: len(first.arrays)]
        for row in rows:
            for top, array, other in zip(tops, first.arrays, row.arrays, strict=True):
                if array.shape != other.shape:
                    raise CaffeError(
                        f"{self.setting.place}: sizes differ within a batch: {top!r} is "
                        f"{array.shape} of {first.name} and {other.shape} of {row.name}; crop or "
                        "resize to one size, or take batches of 1"
                    )
        columns = zip(tops, zip(*(row.arrays for row in rows), strict=True), strict=True)
        return {top: np.stack(arrays, dtype=np.float32) for top, arrays in columns}

    def _index(self, number: int) -> int:
        epoch, index = divmod(number + self._skip(), len(self))
        return int(self._order(self._seed, epoch)[index]) if self._shuffle else index

    def _order_of(self, seed: int, epoch: int) -> np.ndarray:
        return self._shuffled(self.setting.random(seed, _ORDER, epoch))

    def _shuffled(self, random: np.random.Generator) -> np.ndarray:
        """An epoch's order."""
        return random.permutation(len(self))

    def _skip(self) -> int:
        return int(self._random(_SKIP).integers(self._rand_skip)) if self._rand_skip else 0

    def _choices(self, number: int) -> np.random.Generator:
        """Random numbers for the choices at a record."""
        return self._random(_TRANSFORM, number)
