"""ImageData: image files with a label each, from a list.

Source: `src/caffe/layers/image_data_layer.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

import re

import numpy as np

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.datasets.data_layers.lists import FIELDS, ListedImages
from keras_fcn.datasets.data_layers.records import Record, RecordSource
from keras_fcn.datasets.data_layers.source import Setting, reads
from keras_fcn.datasets.data_layers.transforming import Transformer

_LINE = re.compile(r"(.*\S)\s+([-+]?\d+)")


@reads("ImageData")
class ImageSource(RecordSource):
    """Images in the order of the list; the last word of a line is the label."""

    def __init__(self, setting: Setting) -> None:
        own = setting.own("image_data_param", FIELDS)
        super().__init__(
            setting,
            setting.batch_size("image_data_param"),
            shuffle=own.get("shuffle", False),
            rand_skip=own.get("rand_skip", 0),
        )
        if len(self.tops) != 2:
            raise CaffeError(f"{setting.place}: ImageData has two tops, not {len(self.tops)}")
        self._transform = Transformer(setting)
        self._images = ListedImages.of(setting, own)
        self._lines = [self._line(line) for line in self._images.lines]
        self._begin()

    @property
    def what(self) -> str:
        return str(self._images.path)

    def __len__(self) -> int:
        return len(self._lines)

    def record(self, index: int, number: int) -> Record:
        name, label = self._lines[index]
        image = self._transform(self._images.image(name), self._choices(number), name)
        return Record(name, (image, np.array(label, np.float32)))

    def _line(self, line: str) -> tuple[str, int]:
        found = _LINE.fullmatch(line)
        if found is None:
            raise CaffeError(
                f"{self.setting.place}: a line of {self._images.path} is an image and its label, a "
                f"whole number. Received: {line!r}"
            )
        return found[1], int(found[2])
