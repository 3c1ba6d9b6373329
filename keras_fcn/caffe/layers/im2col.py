"""Im2col. Source: `src/caffe/layers/im2col_layer.cpp`."""

from __future__ import annotations

import math
from typing import ClassVar

from keras_fcn.caffe.layers.base import Shapes, caffe_layer, canonical_axis, expect_rank
from keras_fcn.caffe.layers.base_convolution import Windowed
from keras_fcn.caffe.layers.convolution import conv_size
from keras_fcn.caffe.records import dataclass


@caffe_layer("Im2col")
@dataclass(frozen=True, kw_only=True)
class Im2col(Windowed):
    """`ConvolutionParameter`, of which only the windows count."""

    without_effect: ClassVar[frozenset[str]] = Windowed.without_effect | {
        "bias_filler",
        "bias_term",
        "group",
        "num_output",
        "weight_filler",
    }

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        bottom = bottoms[0]
        axis = canonical_axis(self.axis, len(bottom))
        expect_rank(bottom, axis + 2, len(bottom))
        channels, cells = bottom[axis], self.along("kernel_size", len(bottom) - axis - 1)
        columns = None if channels is None else channels * math.prod(cells)
        return (self._window_shape(bottom, columns, conv_size),)
