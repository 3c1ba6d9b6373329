"""Data: images and labels of a database.

Source: `src/caffe/layers/data_layer.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

import numpy as np

from keras_fcn.caffe.blobs.datum import Datum, read_datum
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets.data_layers.database import open_database
from keras_fcn.datasets.data_layers.records import Record, RecordError, RecordSource
from keras_fcn.datasets.data_layers.source import Setting, reads
from keras_fcn.datasets.data_layers.transforming import Transformer
from keras_fcn.preprocessing.opencv_decoding import decode_bgr

_FIELDS = "source batch_size backend rand_skip force_encoded_color prefetch"


@reads("Data")
class DataSource(RecordSource):
    """Datums in the order of their keys; the second top, where there is one, is their label.

    `rand_skip` is what it was in older versions; Caffe 1.0 passes over it.
    """

    def __init__(self, setting: Setting) -> None:
        own = setting.own("data_param", _FIELDS)
        super().__init__(
            setting, setting.batch_size("data_param"), rand_skip=own.get("rand_skip", 0)
        )
        if len(self.tops) > 2:
            raise CaffeError(f"{setting.place}: Data has one or two tops, not {len(self.tops)}")
        self._transform = Transformer(setting)
        self._color = True if own.get("force_encoded_color") else self._transform.color
        self._path = setting.found(own.get("source", ""), "database")
        self._database = open_database(self._path)
        self._begin()

    @property
    def what(self) -> str:
        return str(self._path)

    def __len__(self) -> int:
        return len(self._database.keys)

    def record(self, index: int, number: int) -> Record:
        key = self._database.keys[index]
        name = f"{self._path}: key {key.decode(errors='backslashreplace')!r}"
        try:
            datum = read_datum(self._database.content(key))
            image = self._image(datum)
        except (CaffeError, ValueError) as error:
            raise RecordError(f"{self.setting.place}: {name}: {error}") from error
        arrays = [self._transform(image, self._choices(number), name)]
        if len(self.tops) == 2:
            arrays.append(np.array(datum.label or 0, np.float32))
        return Record(name, tuple(arrays))

    def _image(self, datum: Datum) -> np.ndarray:
        if datum.encoded:
            return decode_bgr(datum.data, self._color).transpose(2, 0, 1)
        return datum.values()
