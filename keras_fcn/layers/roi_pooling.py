"""ROIPooling and PSROIPooling: a grid of whole cells over each region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._arguments import pair
from keras_fcn.layers._interpolation import divided, positions, round_half_away
from keras_fcn.layers._regions import RegionLayer, of_images

_LOWEST = {"float16": -65504.0, "bfloat16": -3.3895313892515355e38}
_LOWEST_FLOAT32 = -3.4028234663852886e38  # Caffe's -FLT_MAX


@keras.saving.register_keras_serializable(package="keras_fcn")
class ROIPooling(RegionLayer):
    """Maximum over each cell of a grid laid over the region.

    The corners, times ``spatial_scale``, are rounded to whole cells of the map (halves
    away from 0), and both belong to the region, which is one cell at least. Bin i of n
    reaches from floor(i * size / n) to ceil((i + 1) * size / n), in float32, so that bins
    overlap; it is cut at the map's border, and gives 0 where nothing is left. The gradient
    goes to the first maximum in row order.

    Source: ``roi_pooling_layer.cpp`` of rbgirshick/caffe-fast-rcnn.

    Args:
        pool_size: height and width of the grid.
        spatial_scale: cells of the map for a pixel of the image.
        **kwargs: arguments of ``keras.layers.Layer``.

    Input shape:
        [(N, H, W, C), (R, 5)]: a map, and regions ``image, x1, y1, x2, y2``; their number
        is free.

    Output shape:
        (R, *pool_size, C).
    """

    def __init__(
        self, pool_size: int | Sequence[int], spatial_scale: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(spatial_scale, **kwargs)
        self.pool_size = pair(pool_size, "pool_size", 1)

    @property
    def _grid(self) -> tuple[int, int]:
        return self.pool_size

    def _pool(self, x: Any, images: Any, boxes: Any) -> Any:
        count, height, width, channels = ops.shape(x)
        corners = ops.cast(round_half_away(boxes * self.spatial_scale), "int32")
        top, bottom = _bins(corners[:, 1], corners[:, 3], self.pool_size[0], height)
        left, right = _bins(corners[:, 0], corners[:, 2], self.pool_size[1], width)
        flat = ops.reshape(x, (count * height * width, channels))
        high, wide = ops.max(bottom - top, initial=0), ops.max(right - left, initial=0)

        def look(step: Any, best: Any, places: Any) -> tuple[Any, Any, Any]:
            """Compare all bins' cells that lie as many steps behind the bins' first ones."""
            row, column = top + step // wide, left + step % wide
            inside = (row < bottom)[:, :, None, None] & (column < right)[:, None, :, None]
            rows = images[:, None] * height + ops.minimum(row, height - 1)
            cells = rows[:, :, None] * width + ops.minimum(column, width - 1)[:, None, :]
            found = ops.take(flat, cells, axis=0)
            better = inside & (found > best)
            return (
                step + 1,
                ops.where(better, found, best),
                ops.where(better, ops.expand_dims(cells, -1), places),
            )

        # The loop only finds the places, so that none of its steps is kept for the gradient.
        flat = ops.stop_gradient(flat)
        places = ops.zeros_like(top[:, :, None, None] * left[:, None, :, None]) - 1
        places = ops.tile(places, (1, 1, 1, channels))
        lowest = _LOWEST.get(x.dtype, _LOWEST_FLOAT32)
        best = ops.full_like(places, lowest, dtype=x.dtype)
        _, _, places = ops.while_loop(
            lambda step, *_: step < high * wide,
            look,
            (ops.zeros((), "int32"), best, places),
        )
        elements = ops.maximum(places, 0) * channels + ops.arange(channels, dtype="int32")
        maxima = ops.take(ops.reshape(x, (-1,)), elements, axis=0)
        return ops.where(places < 0, ops.zeros_like(maxima), maxima)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "pool_size": self.pool_size}


@keras.saving.register_keras_serializable(package="keras_fcn")
class PSROIPooling(RegionLayer):
    """Mean over each cell of a grid laid over the region, each from channels of its own.

    Channel (d * g + i) * g + j of the map feeds channel d of cell (i, j). Regions reach
    from round(x1) * scale to (round(x2) + 1) * scale and are 0.1 cells at least; bins are
    cut to whole cells outwards, then at the map's border, and give 0 where nothing is left.

    Source: ``psroi_pooling_layer.cu`` of daijifeng001/caffe-rfcn, in float32 without the
    fused multiply-adds of a GPU, which may take an edge for one cell more or less.

    Args:
        output_dim: channels of the output, D.
        group_size: height and width of the grid, g.
        spatial_scale: cells of the map for a pixel of the image.
        **kwargs: arguments of ``keras.layers.Layer``.

    Input shape:
        [(N, H, W, D * g * g), (R, 5)]: a map, and regions ``image, x1, y1, x2, y2``;
        their number is free.

    Output shape:
        (R, g, g, D).
    """

    def __init__(
        self, output_dim: int, group_size: int, spatial_scale: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(spatial_scale, **kwargs)
        self.output_dim = output_dim
        self.group_size = group_size

    @property
    def _grid(self) -> tuple[int, int]:
        return self.group_size, self.group_size

    def _channels(self, channels: int | None) -> int | None:
        return self.output_dim

    def _pool(self, x: Any, images: Any, boxes: Any) -> Any:
        count, height, width, _ = ops.shape(x)
        corners = round_half_away(boxes)
        starts = corners[:, :2] * self.spatial_scale
        ends = (corners[:, 2:] + 1.0) * self.spatial_scale
        columns, rows = (
            self._means(starts[:, axis], ends[:, axis], size)
            for axis, size in enumerate((width, height))
        )
        rows = ops.cast(of_images(rows, images, count), x.dtype)
        group = self.group_size
        x = ops.reshape(x, (count * height, width, self.output_dim, group, group))
        x = ops.einsum("rpk,kwdpq->rpwdq", rows, x)
        return ops.einsum("rqw,rpwdq->rpqd", ops.cast(columns, x.dtype), x)

    def _means(self, start: Any, end: Any, size: Any) -> Any:
        """Weights (R, g, size) that give the mean over each bin along an axis."""
        step = divided(ops.maximum(end - start, 0.1), self.group_size)
        edges = positions(self.group_size + 1) * step[:, None] + start[:, None]
        first, last = ops.floor(edges[:, :-1]), ops.ceil(edges[:, 1:])
        cells = positions(size)
        inside = (cells >= first[:, :, None]) & (cells < last[:, :, None])
        weights = ops.cast(inside, "float32")
        return weights / ops.maximum(ops.sum(weights, axis=-1, keepdims=True), 1.0)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "output_dim": self.output_dim,
            "group_size": self.group_size,
        }


def _bins(first: Any, last: Any, count: int, size: Any) -> tuple[Any, Any]:
    """First cells, and those behind the last ones, of each region's bins: (R, count) both."""
    step = divided(ops.maximum(last - first + 1, 1), count)
    edges = positions(count + 1) * step[:, None]
    starts, ends = (
        ops.clip(ops.cast(edge, "int32") + first[:, None], 0, size)
        for edge in (ops.floor(edges[:, :-1]), ops.ceil(edges[:, 1:]))
    )
    return starts, ends
