"""Fast R-CNN's ROIPooling: a grid of maxima over each region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._arguments import pair
from keras_fcn.layers._bin_maxima import maxima_of_bins
from keras_fcn.layers._interpolation import divided, positions, round_half_away
from keras_fcn.layers._regions import RegionLayer


@keras.saving.register_keras_serializable(package="keras_fcn")
class ROIPooling(RegionLayer):
    """Maximum over each cell of a grid laid over the region.

    The corners, times `spatial_scale`, are rounded to whole cells of the map (halves
    away from 0), and both belong to the region, which is one cell at least. Bin i of n
    reaches from floor(i * size / n) to ceil((i + 1) * size / n), in float32, so that bins
    overlap; it is cut at the map's border, and gives 0 where nothing is left. The gradient
    goes to the first maximum in row order.

    Source: `roi_pooling_layer.cpp` of rbgirshick/caffe-fast-rcnn, and for `pad_ratio`
    of zhaoweicai/mscnn.

    Args:
        pool_size: height and width of the grid.
        spatial_scale: cells of the map for a pixel of the image.
        pad_ratio: part of its size by which the region is widened on every side first.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        [(N, H, W, C), (R, 5)]: a map, and regions `image, x1, y1, x2, y2`; their number
        is free.

    Output shape:
        (R, *pool_size, C).
    """

    def __init__(
        self,
        pool_size: int | Sequence[int],
        spatial_scale: float = 1.0,
        pad_ratio: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(spatial_scale, **kwargs)
        self.pool_size = pair(pool_size, "pool_size", 1)
        self.pad_ratio = pad_ratio

    @property
    def _grid(self) -> tuple[int, int]:
        return self.pool_size

    def _pool(self, x: Any, images: Any, boxes: Any) -> Any:
        _, height, width, channels = ops.shape(x)
        pad = (boxes[:, 2:] - boxes[:, :2] + 1.0) * self.pad_ratio
        first = round_half_away((boxes[:, :2] - pad) * self.spatial_scale)
        last = round_half_away((boxes[:, 2:] + pad) * self.spatial_scale)
        first, last = ops.cast(first, "int32"), ops.cast(last, "int32")
        rows = _bins(first[:, 1], last[:, 1], self.pool_size[0], height)
        columns = _bins(first[:, 0], last[:, 0], self.pool_size[1], width)
        # Only the places are sought, so that nothing of the search is kept for the gradient.
        places = maxima_of_bins(ops.stop_gradient(x), images, rows, columns)
        elements = ops.maximum(places, 0) * channels + ops.arange(channels, dtype="int32")
        maxima = ops.take(ops.reshape(x, (-1,)), elements, axis=0)
        return ops.where(places < 0, ops.zeros_like(maxima), maxima)


def _bins(first: Any, last: Any, count: int, size: Any) -> tuple[Any, Any]:
    """First cells, and those behind the last ones, of each region's bins: (R, count) both."""
    step = divided(ops.maximum(last - first + 1, 1), count)
    edges = positions(count + 1) * step[:, None]
    starts, ends = (
        ops.clip(ops.cast(edge, "int32") + first[:, None], 0, size)
        for edge in (ops.floor(edges[:, :-1]), ops.ceil(edges[:, 1:]))
    )
    return starts, ends
