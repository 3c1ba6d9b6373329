"""HDF5Data: rows of data sets, each named as a top.

Source: `src/caffe/layers/hdf5_data_layer.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

import functools
import threading
from pathlib import Path

import h5py
import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets.caffe_files import hdf5
from keras_fcn.datasets.data_layers.records import Record, RecordSource
from keras_fcn.datasets.data_layers.source import Setting, reads

_OPEN = 2  # files whose rows are held, as batches go on from one to the next


@reads("HDF5Data")
class HDF5Source(RecordSource):
    """Rows of files that a text file lists; `shuffle` is of the files, and of the rows in each."""

    def __init__(self, setting: Setting) -> None:
        own = setting.own("hdf5_data_param", "source batch_size shuffle")
        super().__init__(
            setting, setting.batch_size("hdf5_data_param"), shuffle=own.get("shuffle", False)
        )
        if "transform_param" in setting.layer.definition.fields:
            raise CaffeError(
                f"{setting.place}: HDF5Data does not transform; take transform_param away, and "
                "store the values as the net takes them"
            )
        self._list = setting.found(own.get("source", ""), "list of HDF5 files")
        # Caffe parts the names at any blank.
        names = self._list.read_text("utf-8-sig", errors="surrogateescape").split()
        self._files = [setting.found(name, "HDF5 file") for name in names]
        shapes = [self._checked(path) for path in self._files]
        for path, others in zip(self._files, shapes, strict=True):
            for top, first, shape in zip(self.tops, shapes[0], others, strict=True):
                if first[1:] != shape[1:]:
                    raise CaffeError(
                        f"{setting.place}: rows of {top!r} are {first[1:]} in {self._files[0]} "
                        f"and {shape[1:]} in {path}"
                    )
        self._rows = [first[0] for first, *_ in shapes]
        self._loaded = functools.lru_cache(maxsize=_OPEN)(self._load)
        self._lock = threading.Lock()
        self._begin()

    @property
    def what(self) -> str:
        return str(self._list)

    def __len__(self) -> int:
        return sum(self._rows)

    def record(self, index: int, number: int) -> Record:
        file, row = self._place(index)
        with self._lock:
            columns = self._loaded(file)
        name = f"{self._files[file]}: row {row}"
        return Record(name, tuple(column[row] for column in columns))

    def _place(self, index: int) -> tuple[int, int]:
        ends = np.cumsum(self._rows)
        file = int(np.searchsorted(ends, index, side="right"))
        return file, index - int(ends[file]) + self._rows[file]

    def _shuffled(self, random: np.random.Generator) -> np.ndarray:
        """The files in random order, and the rows of each."""
        starts = np.cumsum([0, *self._rows])
        files = random.permutation(len(self._files))
        return np.concatenate([starts[x] + random.permutation(self._rows[x]) for x in files])

    def _checked(self, path: Path) -> list[tuple[int, ...]]:
        """The shapes of the tops' data sets in a file."""
        with hdf5(path) as file:
            shapes = [self._data_set(file, path, top).shape for top in self.tops]
        for top, shape in zip(self.tops, shapes, strict=True):
            if shape[0] != shapes[0][0]:
                raise CaffeError(
                    f"{self.setting.place}: {path} has {shapes[0][0]} rows of {self.tops[0]!r} "
                    f"and {shape[0]} of {top!r}"
                )
        return shapes

    def _data_set(self, file: h5py.File, path: Path, top: str) -> h5py.Dataset:
        found = file.get(top)
        if not isinstance(found, h5py.Dataset):
            raise CaffeError(
                f"{self.setting.place}: {path} has no data set {top!r}, as the top is called; it "
                f"has {', '.join(file) or 'nothing'}"
            )
        if not found.ndim or found.dtype.kind not in "iuf":
            raise CaffeError(
                f"{self.setting.place}: data set {top!r} of {path} must be numbers in rows. "
                f"Received: {found.dtype} {found.shape}"
            )
        return found

    def _load(self, file: int) -> tuple[np.ndarray, ...]:
        path = self._files[file]
        if self._checked(path)[0][0] != self._rows[file]:
            raise CaffeError(
                f"{self.setting.place}: {path} was replaced while it was read: it had "
                f"{self._rows[file]} rows; open what reads it anew"
            )
        with hdf5(path) as opened:
            return tuple(np.asarray(opened[top], np.float32) for top in self.tops)
