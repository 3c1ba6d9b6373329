"""Tables of a run's numbers: a CSV file for training and for each test net, and TensorBoard."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import keras

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.io.files import atomic_write
from keras_fcn.training.pictures import Board

__all__ = ["Records"]

_ITERATION = "iteration"


class Records:
    """Rows of iterations, kept in a folder; a run that goes on keeps those before it.

    Args:
        folder: it is made; None keeps nothing.

    Raises:
        CaffeError: it cannot be made.

    Attributes:
        note: what is left out, for people.
    """

    note: str | None = None

    def __init__(self, folder: str | Path | None) -> None:
        self._folder = None if folder is None else Path(folder)
        self._rows: dict[str, list[dict[str, str]]] = {}
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise CaffeError(f"cannot make {self._folder}: {error.strerror}") from error
        backend = keras.backend.backend()
        board = None
        if self._folder is not None and backend == "tensorflow":
            board = self._folder / "tensorboard"
        elif self._folder is not None:
            self.note = f"on {backend} there is no tensorboard/, which TensorFlow writes"
        self._board = Board(board)

    def write(self, table: str, iteration: int, row: Mapping[str, float]) -> None:
        """Add a row to a table, in place of rows of this and later iterations."""
        if self._folder is None:
            return
        path = self._folder / f"{table}.csv"
        before = self._rows.get(table)
        rows = _read(path) if before is None else before
        rows = [old for old in rows if int(old[_ITERATION]) < iteration]
        rows.append({_ITERATION: str(iteration), **{k: repr(v) for k, v in row.items()}})
        self._rows[table] = rows
        columns = list(dict.fromkeys(name for each in rows for name in each))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        with atomic_write(path) as file:
            file.write(text.getvalue().encode())
        self._board.write(iteration, {f"{table}/{name}": value for name, value in row.items()})


def _read(path: Path) -> list[dict[str, str]]:
    """The rows of an earlier run; none where there is no table of ours."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if any(not (row.get(_ITERATION) or "").isdecimal() for row in rows):
        raise CaffeError(f"{path} is no table of a solver's run; name another folder")
    return rows
