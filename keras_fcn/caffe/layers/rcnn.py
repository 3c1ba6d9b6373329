"""Layers of Fast R-CNN, R-FCN and their kin that pool a map over regions of interest.

A region (ROI) is a row `batch_index, x1, y1, x2, y2` in pixels of the image. Sources:
`roi_pooling_layer.cpp` of rbgirshick/caffe-fast-rcnn, `psroi_pooling_layer.cu` of
daijifeng001/caffe-rfcn, `roi_align_layer.cpp` of Cambricon/caffe and of
zhaoweicai/cascade-rcnn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import (
    LayerParams,
    Shape,
    Shapes,
    caffe_layer,
    expect_rank,
    product,
)
from keras_fcn.caffe.layers.spatial import Spatial, nowhere
from keras_fcn.caffe.records import dataclass


@dataclass(frozen=True, kw_only=True)
class ROILayer(LayerParams):
    """A map and regions in, one small map for each region out."""

    gathers_rows: ClassVar[bool] = True
    bottom_count: ClassVar[tuple[int, int | None]] = (2, 2)
    in_place: ClassVar[bool] = False
    places: ClassVar[Spatial | None] = nowhere("those of regions of interest")

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        return (None, 5) if index else None

    def _check_positive(self, *fields: str) -> None:
        for field in fields:
            if getattr(self, field) < 1:
                raise NetworkError(f"{field}: {getattr(self, field)} must be at least 1")


def _regions(bottoms: Shapes) -> int | None:
    """Number of regions in the second bottom."""
    image, regions = bottoms
    expect_rank(image, 4)
    if not regions or product(regions[1:]) not in (5, None):
        raise NetworkError(
            "needs a second bottom of five numbers a region (image, x1, y1, x2, y2), got shape "
            f"{regions}"
        )
    return regions[0]


@caffe_layer("ROIPooling")
@dataclass(frozen=True, kw_only=True)
class ROIPooling(ROILayer):
    """`ROIPoolingParameter`: the maximum over each cell of a grid laid over the region.

    `pad_ratio`, of zhaoweicai/mscnn, widens the region by that part of its size on every
    side.
    """

    message: ClassVar[str | None] = "roi_pooling_param"

    pooled_h: int
    pooled_w: int
    spatial_scale: float = 1.0
    pad_ratio: float = 0.0

    def __post_init__(self) -> None:
        self._check_positive("pooled_h", "pooled_w")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        return ((_regions(bottoms), bottoms[0][1], self.pooled_h, self.pooled_w),)


@caffe_layer("PSROIPooling")
@dataclass(frozen=True, kw_only=True)
class PSROIPooling(ROILayer):
    """`PSROIPoolingParameter`: means over a grid, each cell of it from channels of its own."""

    message: ClassVar[str | None] = "psroi_pooling_param"

    spatial_scale: float
    output_dim: int
    group_size: int

    def __post_init__(self) -> None:
        self._check_positive("output_dim", "group_size")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        regions, channels = _regions(bottoms), bottoms[0][1]
        wanted = self.output_dim * self.group_size**2
        if channels not in (wanted, None):
            raise NetworkError(
                f"output_dim: {self.output_dim} and group_size: {self.group_size} need {wanted} "
                f"channels, the bottom has {channels}"
            )
        return ((regions, self.output_dim, self.group_size, self.group_size),)


@caffe_layer("ROIAlign", dialect="cambricon")
@dataclass(frozen=True, kw_only=True)
class ROIAlign(ROILayer):
    """`ROIAlignParameter`: means of bilinear samples in each cell, as in Detectron.

    `sampling_ratio` squared is the number of samples a cell; below 1, as many as the
    cell has pixels.
    """

    message: ClassVar[str | None] = "roi_align_param"

    pooled_h: int
    pooled_w: int
    spatial_scale: float = 1.0
    sampling_ratio: int = -1

    def __post_init__(self) -> None:
        self._check_positive("pooled_h", "pooled_w")

    @classmethod
    def recognizes(
        cls, layer: LayerDefinition, stored: Sequence[tuple[int, ...]] | None
    ) -> bool | None:
        return bool("roi_align_param" in layer.fields)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        return ((_regions(bottoms), bottoms[0][1], self.pooled_h, self.pooled_w),)


@caffe_layer("ROIAlign", dialect="cascade-rcnn")
@dataclass(frozen=True, kw_only=True)
class ROIAlignGrid(ROILayer):
    """`ROIPoolingParameter`: one bilinear sample at each corner of the grid's cells.

    `pad_ratio` widens the region by that part of its size on every side.
    """

    message: ClassVar[str | None] = "roi_pooling_param"

    pooled_h: int
    pooled_w: int
    spatial_scale: float = 1.0
    pad_ratio: float = 0.0

    def __post_init__(self) -> None:
        self._check_positive("pooled_h", "pooled_w")

    @classmethod
    def recognizes(
        cls, layer: LayerDefinition, stored: Sequence[tuple[int, ...]] | None
    ) -> bool | None:
        return bool("roi_pooling_param" in layer.fields)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        top: Shape = (_regions(bottoms), bottoms[0][1], self.pooled_h + 1, self.pooled_w + 1)
        return (top,)
