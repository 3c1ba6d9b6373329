"""LMDB databases of Caffe's `Datum` messages with a label each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_fcn.caffe.blobs.datum import read_datum, read_label
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets.caffe_files import require_no_split
from keras_fcn.datasets.caffe_lmdb import DatumSource
from keras_fcn.datasets.class_names import named_classes
from keras_fcn.datasets.classification import ClassificationDataset, ClassNames
from keras_fcn.datasets.open_lmdb import content_of, keys_of, opened
from keras_fcn.datasets.sources import Pair

__all__ = ["DatumLabel", "load_lmdb_classes"]


@dataclass(frozen=True)
class DatumLabel:
    """The label of the datum under a key of a database."""

    path: Path
    key: bytes

    @property
    def name(self) -> str:
        return f"{self.path}:{_text(self.key)}"

    def read(self) -> np.ndarray:
        try:
            label = read_datum(content_of(self.path, self.key)).label
        except CaffeError as error:
            raise CaffeError(f"{self.name}: {error}") from error
        if label is None:
            raise CaffeError(
                f"{self.name}: the datum has no label; a database of images that goes with one of "
                "masks is read with both"
            )
        return np.array(label)


def load_lmdb_classes(
    path: str | Path, split: str | None = None, classes: ClassNames | None = None
) -> ClassificationDataset:
    """A database of `Datum` messages with labels, as `convert_imageset` makes it.

    Needs the package lmdb. Images are read when they are asked for. A datum is raw, `(channels,
    H, W)` of bytes or floats, or an encoded PNG or JPEG. Raw images of three channels are BGR, as
    Caffe's tools write them, and become RGB, as those of all data sets here; floats count 0..255.

    Args:
        path: the folder, or file, of the database.
        split: must be None: a database is one split.
        classes: names in the order of the labels, or how many there are. None for the names in
            `dataset.json` beside the database, or else numbers, as many as the labels say, which
            are then read, and nothing else of the data.

    Raises:
        OSError: the database is missing.
        ValueError: a split; or a label says that there are more classes than can be.
        CaffeError: the database is empty, of another kind, or cannot be read; or lmdb is not
            installed.

    Example:
        ```python
        train = datasets.load_lmdb_classes("plates_train_lmdb", classes=list("0123456789"))
        image, label = train[0]  # (28, 28, 1) uint8, 7
        train.show(0)
        ```
    """
    path = Path(path)
    require_no_split(split, path)
    keys = keys_of(path)
    if not keys:
        raise CaffeError(f"{path} is empty")
    labels, told = named_classes(path, classes, lambda: _labels(path))
    pairs = tuple(
        Pair(_text(key), DatumSource(path, key, False), DatumLabel(path, key)) for key in keys
    )
    return ClassificationDataset(pairs, labels, str(path), told=told)


def _labels(path: Path) -> Iterator[tuple[str, int]]:
    """Name and label of each datum that has one; what is wrong with others shows in reading."""
    with opened(path, buffers=True) as transaction:
        for key, content in transaction.cursor():
            try:
                label = read_label(content)
            except CaffeError:
                continue
            if label is not None:
                yield f"{path}:{_text(bytes(key))}", label


def _text(key: bytes) -> str:
    return key.decode(errors="backslashreplace")
