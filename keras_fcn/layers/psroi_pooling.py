"""R-FCN's PSROIPooling: a grid of means over each region."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_fcn.layers._interpolation import divided, positions, round_half_away
from keras_fcn.layers._regions import RegionLayer, of_images


@keras.saving.register_keras_serializable(package="keras_fcn")
class PSROIPooling(RegionLayer):
    """Mean over each cell of a grid laid over the region, each from channels of its own.

    Channel (d * g + i) * g + j of the map feeds channel d of cell (i, j). Regions reach
    from round(x1) * scale to (round(x2) + 1) * scale and are 0.1 cells at least; bins are
    cut to whole cells outwards, then at the map's border, and give 0 where nothing is left.

    Source: `psroi_pooling_layer.cu` of daijifeng001/caffe-rfcn, in float32 without the
    fused multiply-adds of a GPU, which may take an edge for one cell more or less.

    Args:
        output_dim: channels of the output, D.
        group_size: height and width of the grid, g.
        spatial_scale: cells of the map for a pixel of the image.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        [(N, H, W, D * g * g), (R, 5)]: a map, and regions `image, x1, y1, x2, y2`;
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
