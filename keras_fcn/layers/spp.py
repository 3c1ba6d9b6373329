"""Caffe's SPP layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import spp
from keras_fcn.layers._axes import channels_first_shape, channels_last_shape
from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._pooling import first_maximum

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class SPP(CaffeLayer):
    """Spatial pyramid pooling: one vector of fixed length for maps of any size.

    The map is pooled into 1 x 1, 2 x 2, 4 x 4, ... bins, and the levels are laid end to
    end, each in Caffe's order: channel by channel, row by row. Bins of a level have one
    length, ceil(size / bins); those at the edges are smaller.

    Source: He et al., "Spatial Pyramid Pooling in Deep Convolutional Networks for Visual
    Recognition"; Caffe's `spp_layer.cpp`.

    Args:
        pyramid_height: number of levels.
        pool: `"max"` or `"ave"`. Of equal maxima the first gets the gradient; a mean
            counts the padding around the map as zeros.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, H, W, C); H and W may be unknown until the graph runs.

    Output shape:
        (N, C * (1 + 4 + 16 + ...)); with one level (N, 1, 1, C), as in Caffe.

    Raises:
        ValueError: an unknown `pool`, or a map too small for the bins.
    """

    def __init__(self, pyramid_height: int, pool: str = "max", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if pool not in _POOL:
            raise ValueError(f"pool must be one of {sorted(_POOL)}. Received: {pool!r}")
        if pyramid_height < 1:
            raise ValueError(f"pyramid_height must be at least 1. Received: {pyramid_height}")
        self.pyramid_height = pyramid_height
        self.pool = pool
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Shape) -> None:
        """Check the sizes that are known."""
        self.compute_output_shape(input_shape)

    def call(self, inputs: Any) -> Any:
        """Pool (N, H, W, C)."""
        levels = [self._level(inputs, 2**level) for level in range(self.pyramid_height)]
        if self.pyramid_height == 1:
            return ops.expand_dims(ops.squeeze(levels[0], -1), (1, 2))
        images, channels = ops.shape(inputs)[0], inputs.shape[-1]
        vectors = [ops.reshape(level, (images, channels * level.shape[-1])) for level in levels]
        return ops.concatenate(vectors, axis=-1)

    def _level(self, x: Any, bins: int) -> Any:
        """(N, C, bins * bins)."""
        height, width = ops.shape(x)[1:3]
        cells = [
            _POOL[self.pool](x[:, top:bottom, left:right], rows * columns)
            for top, bottom, rows in _bins(height, bins)
            for left, right, columns in _bins(width, bins)
        ]
        return ops.stack(cells, axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The vectors' shape.

        Raises:
            ValueError: a map too small for the bins.
        """
        params = spp.SPP(pyramid_height=self.pyramid_height)
        try:
            (shape,) = params.top_shapes((channels_first_shape(input_shape),), 1)
        except NetworkError as error:
            raise ValueError(f"{error}. Received: input_shape={tuple(input_shape)}") from error
        return channels_last_shape(shape)


def _bins(size: Any, bins: int) -> Iterator[tuple[Any, Any, Any]]:
    """First position, end and positions (padding included) of each bin along an axis."""
    smaller, larger = (min, max) if isinstance(size, int) else (ops.minimum, ops.maximum)
    length = (size + bins - 1) // bins  # ONNX truncates: no negative numbers
    pad = (length * bins - size + 1) // 2
    for index in range(bins):
        start = index * length - pad
        end = smaller(start + length, size + pad)
        yield larger(start, 0), smaller(end, size), end - start


def _maximum(cells: Any, _: Any) -> Any:
    return first_maximum(cells)[0]


def _mean(cells: Any, count: Any) -> Any:
    return ops.sum(cells, axis=(1, 2)) / ops.cast(count, cells.dtype)


_POOL: dict[str, Callable[[Any, Any], Any]] = {"max": _maximum, "ave": _mean}
