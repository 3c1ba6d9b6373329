"""ROIAlign of two forks: bilinear samples instead of whole cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._arguments import pair
from keras_fcn.layers._interpolation import divided, positions, tents
from keras_fcn.layers._regions import RegionLayer, of_images


class BilinearRegions(RegionLayer):
    """Pooling whose weights are a product of one for the row and one for the column."""

    def __init__(
        self, pool_size: int | Sequence[int], spatial_scale: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(spatial_scale, **kwargs)
        self.pool_size = pair(pool_size, "pool_size", 1)

    def _weights(self, first: Any, last: Any, bins: int, size: Any) -> Any:
        """Weights (R, H', size) along an axis for regions from `first` to `last` pixel."""
        raise NotImplementedError

    def _pool(self, x: Any, images: Any, boxes: Any) -> Any:
        count, height, width, channels = ops.shape(x)
        rows = self._weights(boxes[:, 1], boxes[:, 3], self.pool_size[0], height)
        columns = self._weights(boxes[:, 0], boxes[:, 2], self.pool_size[1], width)
        rows = ops.cast(of_images(rows, images, count), x.dtype)
        x = ops.reshape(x, (count * height, width, channels))
        x = ops.einsum("rpk,kwc->rpwc", rows, x)
        return ops.einsum("rqw,rpwc->rpqc", ops.cast(columns, x.dtype), x)


@keras.saving.register_keras_serializable(package="keras_fcn")
class ROIAlign(BilinearRegions):
    """Mean of bilinear samples in each cell of a grid laid over the region.

    Nothing is rounded. A region is 1 x 1 cells of the map at least. Samples up to one cell
    outside the map are taken at its border, those beyond are 0.

    Source: `roi_align_layer.cpp` of Cambricon/caffe, which is Detectron's; that layer
    takes every region for every image, ours for its own only, which is the same for one
    image.

    Args:
        pool_size: height and width of the grid.
        spatial_scale: cells of the map for a pixel of the image.
        sampling_ratio: samples along each side of a bin; below 1, as many as the bin has
            cells, rounded up, which differs from region to region.
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
        sampling_ratio: int = -1,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, spatial_scale, **kwargs)
        self.sampling_ratio = sampling_ratio

    @property
    def _grid(self) -> tuple[int, int]:
        return self.pool_size

    def _weights(self, first: Any, last: Any, bins: int, size: Any) -> Any:
        start = first * self.spatial_scale
        step = divided(ops.maximum(last * self.spatial_scale - start, 1.0), bins)
        start = start[:, None] + positions(bins) * step[:, None]
        samples = ops.ceil(step)
        if self.sampling_ratio > 0:
            samples = ops.full_like(step, self.sampling_ratio)
        length = ops.cast(size, "float32")

        def add(index: Any, weights: Any) -> tuple[Any, Any]:
            place = (ops.cast(index, "float32") + 0.5) * step / samples
            centers = start + place[:, None]
            counts = (ops.cast(index, "float32") < samples)[:, None]
            counts = counts & (centers >= -1.0) & (centers <= length)
            sample = tents(ops.clip(centers, 0.0, length - 1.0), size)
            return index + 1, weights + ops.where(counts[..., None], sample, 0.0)

        most = ops.cast(ops.max(samples, initial=0.0), "int32")
        _, weights = ops.while_loop(
            lambda index, _: index < most,
            add,
            (ops.zeros((), "int32"), ops.zeros_like(tents(start, size))),
        )
        return ops.stop_gradient(weights) / samples[:, None, None]


@keras.saving.register_keras_serializable(package="keras_fcn")
class ROIAlignGrid(BilinearRegions):
    """One bilinear sample at each corner of the cells of a grid laid over the region.

    Corners outside the map, and regions without height or width, give 0.

    Source: `roi_align_layer.cpp` of zhaoweicai/cascade-rcnn.

    Args:
        pool_size: height and width of the grid, in cells.
        spatial_scale: cells of the map for a pixel of the image.
        pad_ratio: part of its size by which the region is widened on every side.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        [(N, H, W, C), (R, 5)]: a map, and regions `image, x1, y1, x2, y2`; their number
        is free.

    Output shape:
        (R, pool_size[0] + 1, pool_size[1] + 1, C).
    """

    def __init__(
        self,
        pool_size: int | Sequence[int],
        spatial_scale: float = 1.0,
        pad_ratio: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, spatial_scale, **kwargs)
        self.pad_ratio = pad_ratio

    @property
    def _grid(self) -> tuple[int, int]:
        return self.pool_size[0] + 1, self.pool_size[1] + 1

    def _weights(self, first: Any, last: Any, bins: int, size: Any) -> Any:
        pad = (last - first + 1.0) * self.pad_ratio
        start = (first - pad) * self.spatial_scale - 0.5
        extent = (last + pad) * self.spatial_scale - 0.5 - start
        centers = start[:, None] + positions(bins + 1) * divided(extent, bins)[:, None]
        length = ops.cast(size, "float32")
        inside = (centers >= -0.5) & (centers <= length - 0.5) & (extent > 0.0)[:, None]
        samples = tents(ops.clip(centers, 0.0, length - 1.0), size)
        return ops.where(inside[..., None], samples, 0.0)
