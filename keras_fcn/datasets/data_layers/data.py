"""Data: images and labels of a database.

Source: `src/caffe/layers/data_layer.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

import numpy as np

from keras_fcn.caffe.blobs.datum import Datum, read_datum
from keras_fcn.datasets.data_layers.database_source import DatabaseSource, image_of
from keras_fcn.datasets.data_layers.records import Record
from keras_fcn.datasets.data_layers.source import Setting, reads
from keras_fcn.datasets.data_layers.transforming import Transformer

_FIELDS = "source batch_size backend rand_skip force_encoded_color prefetch"


@reads("Data")
class DataSource(DatabaseSource):
    """Datums in the order of their keys; the second top, where there is one, is their label.

    `rand_skip` is what it was in older versions; Caffe 1.0 passes over it.
    """

    def __init__(self, setting: Setting) -> None:
        own = setting.own("data_param", _FIELDS)
        super().__init__(setting, rand_skip=own.get("rand_skip", 0))
        self._transform = Transformer(setting)
        self._color = True if own.get("force_encoded_color") else self._transform.color
        self._open(own.get("source", ""))

    def record(self, index: int, number: int) -> Record:
        name, (datum, image) = self._entry(index, self._content)
        arrays = [self._transform(image, self._choices(number), name)]
        if len(self.tops) == 2:
            arrays.append(np.array(datum.label or 0, np.float32))
        return Record(name, tuple(arrays))

    def _content(self, content: bytes) -> tuple[Datum, np.ndarray]:
        datum = read_datum(content)
        return datum, image_of(datum, self._color)
