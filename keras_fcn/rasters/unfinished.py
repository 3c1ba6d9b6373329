"""An array on the disk that is filled block by block, so that a run that was killed can go on."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.io.files import write_at
from keras_fcn.caffe.io.journals import journal_lines
from keras_fcn.caffe.io.npy import declared
from keras_fcn.caffe.words import argument, either

__all__ = ["Unfinished", "left_over"]


class Unfinished:
    """A `.npy` file beside its destination, and a journal of its blocks that are whole.

    They are `.NAME.part` and `.NAME.part.jsonl`, and stay where the work is left half-way. Blocks
    are written in one order; what a block holds is on the disk before its line in the journal.

    Args:
        destination: what the file will be.
        shape: of the array.
        dtype: of the array.
        run: what its values depend on, as JSON; by the names of arguments.
        resume: whether to go on with what is there. Else it is begun anew.
        spare: bytes of `spare`, another file, for what later blocks need of earlier ones.

    Raises:
        CaffeError: it cannot be written, or another process is writing it.
        ValueError: what is there is of a run that differs.
    """

    def __init__(
        self,
        destination: Path,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        run: Mapping[str, Any],
        resume: bool,
        spare: int = 0,
    ) -> None:
        self._spare_size = spare
        self.destination, self.shape, self.dtype = destination, shape, dtype
        self.path, self._journal = _places(destination)
        self._lock = self.path.with_name(f"{self.path.name}.lock")
        self.done = 0
        """Blocks that are whole."""
        self._files = contextlib.ExitStack()
        with self._writing(), contextlib.ExitStack() as opened:
            if destination.exists() and not destination.is_file():
                raise CaffeError(f"cannot write {destination}: it is not a plain file; name a file")
            if not destination.parent.is_dir():
                raise CaffeError(f"cannot write {destination}: there is no such folder")
            opened.enter_context(_locked(self._lock, destination))
            self._open(opened, json.loads(json.dumps(run)), resume)
            self._files = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()
        if not self.done:
            self.remove()

    def _open(self, opened: contextlib.ExitStack, run: Mapping[str, Any], resume: bool) -> None:
        end = self._follow(run) if resume and self._journal.is_file() and self._fits() else 0
        spare = _spare(self.path)
        if self._spare_size and not (spare.is_file() and spare.stat().st_size == self._spare_size):
            end = self.done = 0
        if not end:
            self.remove()
        mode = "r+b" if end else "x+b"
        self._lines: IO[bytes] = opened.enter_context(self._journal.open(mode))
        self._data: IO[bytes] = opened.enter_context(self.path.open(mode, buffering=0))
        if self._spare_size:
            self.spare: IO[bytes] = opened.enter_context(spare.open(mode, buffering=0))
            self.spare.truncate(self._spare_size)
        if end:
            self._lines.truncate(end)
            self._lines.seek(end)
            return
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False}
        np.lib.format.write_array_header_1_0(self._data, {**header, "shape": self.shape})
        self._offset = self._data.tell()
        self._data.truncate(self._offset + math.prod(self.shape) * self.dtype.itemsize)
        self._append({"run": run})

    def _fits(self) -> bool:
        """Whether the file is the array; false where there is none."""
        try:
            with self.path.open("rb") as file:
                found = declared(file, str(self.path), self.path.stat().st_size)
                self._offset = file.tell()
        except (FileNotFoundError, ValueError):
            return False
        return found == (self.shape, self.dtype, False)

    def _follow(self, run: Mapping[str, Any]) -> int:
        """Count the blocks that are done; the journal's length, 0 where it tells nothing."""
        end = 0
        with self._journal.open("rb") as file:
            for _, line in journal_lines(file):
                if "run" in line:
                    self._require_same(line["run"], run)
                elif line.get("done") != self.done + 1:
                    break
                else:
                    self.done += 1
                end = file.tell()
        return end

    def _require_same(self, old: Any, new: Mapping[str, Any]) -> None:
        old = old if isinstance(old, Mapping) else {}
        other = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        if other:
            how = either("resume=False begins", "without --resume it begins")
            raise ValueError(
                f"{self.path} is of a run that differs in {', '.join(map(_told, other))}; "
                f"{how} anew"
            )

    def write(self, rows: slice, columns: slice, values: np.ndarray) -> None:
        """Write the next block, (rows, columns) or (rows, columns, bands), and note it.

        Raises:
            CaffeError: it cannot be written, as on a full disk.
        """
        values = np.ascontiguousarray(values, self.dtype)
        each = math.prod(self.shape[2:]) * self.dtype.itemsize
        with self._writing():
            whole = columns.stop - columns.start == self.shape[1]
            parts = [values] if whole else values
            for row, part in zip(range(rows.start, rows.stop), parts, strict=False):
                place = self._offset + (row * self.shape[1] + columns.start) * each
                write_at(self._data.fileno(), memoryview(part).cast("B"), place)
            os.fsync(self._data.fileno())
            self._append({"done": self.done + 1})
        self.done += 1

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        """A part of the array as it is."""
        # Mapped anew each time: pages of a mapping count as the process' memory until it ends.
        whole = np.memmap(self.path, self.dtype, "r", self._offset, self.shape)
        return np.array(whole[rows, columns])

    def rename(self) -> None:
        """Let the file be what it was meant to be."""
        with self._writing():
            self.path.replace(self.destination)
        self.remove()

    def put_by(self, values: Any, offset: int) -> None:
        """Write to the spare file, before the block is written that is made with it.

        Raises:
            CaffeError: it cannot be written, as on a full disk.
        """
        with self._writing():
            write_at(self.spare.fileno(), memoryview(values).cast("B"), offset)
            os.fsync(self.spare.fileno())

    def remove(self) -> None:
        """Remove what is there."""
        for path in (self._journal, _spare(self.path), self.path):
            path.unlink(missing_ok=True)

    def _append(self, line: Mapping[str, Any]) -> None:
        self._lines.write(json.dumps(line).encode() + b"\n")
        self._lines.flush()
        os.fsync(self._lines.fileno())

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise CaffeError(f"cannot write {self.destination}: {reason}") from error


def left_over(destination: Path) -> bool:
    """Whether a run to a destination was stopped before it was whole."""
    return all(path.is_file() for path in _places(destination))


def _told(name: str) -> str:
    """What a run depends on, as messages call it."""
    typed = {"source": "the image", "preprocessing": "how the image is prepared"}
    typed |= {"overlap": "--tile-overlap"}
    return either(name, typed.get(name, argument(name)))


def _places(destination: Path) -> tuple[Path, Path]:
    """The file and its journal."""
    path = destination.with_name(f".{destination.name}.part")
    return path, path.with_name(f"{path.name}.jsonl")


def _spare(path: Path) -> Path:
    """The other file of the array's."""
    return path.with_name(f"{path.name}.maps")


@contextlib.contextmanager
def _locked(path: Path, destination: Path) -> Iterator[None]:
    """Keep other processes from the same files; the lock goes with the process that holds it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        # It waits, too, where the lock cannot be made at all: that fails here.
        path.open("ab").close()
        raise CaffeError(f"cannot write {destination}: another process is writing it") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()
