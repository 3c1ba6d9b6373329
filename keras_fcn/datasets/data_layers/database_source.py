"""Sources whose records lie in a database."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from keras_fcn.caffe.blobs.datum import Datum
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets.data_layers.database import open_database
from keras_fcn.datasets.data_layers.records import RecordError, RecordSource
from keras_fcn.datasets.data_layers.source import Setting
from keras_fcn.preprocessing.opencv_decoding import decode_bgr

__all__ = ["DatabaseSource", "image_of"]

T = TypeVar("T")


class DatabaseSource(RecordSource):
    """Records in the order of their keys, for a top of images and one of labels or none.

    Args:
        setting: of the source, whose `data_param` tells the batch size.
        rand_skip: see `RecordSource`.
    """

    def __init__(self, setting: Setting, *, rand_skip: int = 0) -> None:
        super().__init__(setting, setting.batch_size("data_param"), rand_skip=rand_skip)
        if len(self.tops) > 2:
            raise CaffeError(
                f"{setting.place}: {setting.layer.type} has one or two tops, not {len(self.tops)}"
            )

    def _open(self, source: str) -> None:
        """Open the database that `data_param` names, and learn the shapes."""
        self._path = self.setting.found(source, "database")
        self._database = open_database(self._path)
        self._begin()

    @property
    def what(self) -> str:
        return str(self._path)

    def __len__(self) -> int:
        return len(self._database.keys)

    def _entry(self, index: int, read: Callable[[bytes], T]) -> tuple[str, T]:
        """A record's name for messages, and what is read of its content.

        Raises:
            RecordError: it cannot be read.
        """
        key = self._database.keys[index]
        name = f"{self._path}: key {key.decode(errors='backslashreplace')!r}"
        try:
            return name, read(self._database.content(key))
        except (CaffeError, ValueError) as error:
            raise RecordError(f"{self.setting.place}: {name}: {error}") from error


def image_of(datum: Datum, color: bool | None) -> np.ndarray:
    """The image of a datum, `(channels, H, W)`.

    Args:
        datum: encoded, or raw.
        color: see `keras_fcn.preprocessing.opencv_decoding.decode_bgr`; of an encoded one.
    """
    if datum.encoded:
        return decode_bgr(datum.data, color).transpose(2, 0, 1)
    return datum.values()
