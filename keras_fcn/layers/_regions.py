"""Base class of layers that pool over regions of interest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]


class RegionLayer(CaffeLayer):
    """A map (N, H, W, C) and regions (R, 5) in, (R, H', W', C') out.

    Coordinates are computed in float32 whatever the dtype policy: half precision counts
    pixels to 2048 only. No gradient goes to the regions, as in Caffe.
    """

    def __init__(self, spatial_scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.spatial_scale = spatial_scale

    def call(self, inputs: Sequence[Any]) -> Any:
        """Pool a map over regions, (R, 5) or (R, 1, 1, 5)."""
        x, regions = inputs
        regions = ops.stop_gradient(ops.reshape(ops.cast(regions, "float32"), (-1, 5)))
        images = ops.cast(regions[:, 0], "int32")
        return self._pool(ops.cast(x, self.compute_dtype), images, regions[:, 1:])

    def _pool(self, x: Any, images: Any, boxes: Any) -> Any:
        """Pool over boxes (R, 4), x1, y1, x2, y2 in pixels, of the images with these indices."""
        raise NotImplementedError

    @property
    def _grid(self) -> tuple[int, int]:
        """Height and width of what a region becomes."""
        raise NotImplementedError

    def _channels(self, channels: int | None) -> int | None:
        return channels

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """One small map a region."""
        image, regions = input_shape
        return (regions[0], *self._grid, self._channels(image[-1]))


def of_images(rows: Any, images: Any, count: Any) -> Any:
    """Weights of rows (R, H', H) as weights of the rows of all images, (R, H', N * H).

    Those of other images are 0; so no image is copied for each of its regions.
    """
    regions, bins, height = ops.shape(rows)
    chosen = ops.equal(ops.expand_dims(images, -1), ops.arange(count, dtype="int32"))
    chosen = ops.cast(chosen, rows.dtype)[:, None, :, None]
    return ops.reshape(ops.expand_dims(rows, 2) * chosen, (regions, bins, count * height))
