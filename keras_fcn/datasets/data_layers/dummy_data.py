"""DummyData: filled blobs.

Source: `src/caffe/layers/dummy_data_layer.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.layers.dummy_data import DummyData
from keras_fcn.caffe.net.fillers import fill
from keras_fcn.datasets.data_layers.source import Batch, Setting, Source, reads


@reads("DummyData")
class DummySource(Source):
    """Constants, and what random fillers make anew for each batch."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        params = setting.layer.params
        assert isinstance(params, DummyData)
        shapes = params.top_shapes((), len(self.tops))
        self.shapes = {
            top: tuple(size or 0 for size in shape)
            for top, shape in zip(self.tops, shapes, strict=True)
        }
        self._fillers = params.top_fillers(len(self.tops))
        self._filled()  # what a filler refuses is refused here

    def next(self) -> Batch:
        batch = self._filled()
        self._given += 1
        return batch

    def _filled(self) -> Batch:
        try:
            return {
                top: fill(filler, shape, self._random(self._given, index))
                for index, (filler, (top, shape)) in enumerate(
                    zip(self._fillers, self.shapes.items(), strict=True)
                )
            }
        except CaffeError as error:
            raise CaffeError(f"{self.setting.place}: {error}") from error
