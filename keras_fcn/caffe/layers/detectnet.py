"""DetectNet's boxes from its grid, a `Python` layer of NVIDIA's Caffe.

Source: `python/caffe/layers/detectnet/clustering.py` of NVIDIA/caffe.
"""

from __future__ import annotations

from typing import ClassVar, Self

from keras_fcn.caffe.definition import Fields, LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import param_str
from keras_fcn.caffe.layers.base import LayerParams, Shapes, caffe_layer, expect_rank
from keras_fcn.caffe.layers.spatial import Spatial, nowhere
from keras_fcn.caffe.limits import check_sizes
from keras_fcn.caffe.records import dataclass

MOST_BOXES = 50
"""Rows of each image; those without a box are 0."""
_PARAMETERS = {
    "image_size_x": int,
    "image_size_y": int,
    "stride": int,
    "gridbox_cvg_threshold": float,
    "gridbox_rect_threshold": int,
    "gridbox_rect_eps": float,
    "min_height": int,
    "num_classes": int,
}


@caffe_layer("ClusterDetections")
@dataclass(frozen=True, kw_only=True)
class ClusterDetections(LayerParams):
    """Coverage and box offsets of each cell in; for each class the clusters of boxes out.

    `param_str` lists the attributes in their order, parted by commas.

    Attributes:
        image_size_x: width of the image in pixels.
        image_size_y: height of the image in pixels.
        stride: pixels from one cell of the grid to the next.
        gridbox_cvg_threshold: a cell's box counts from this coverage on.
        gridbox_rect_threshold: a cluster needs more boxes than this.
        gridbox_rect_eps: how far boxes of a cluster may be apart, as a part of their size.
        min_height: least height of a cluster's box in pixels.
        num_classes: how many classes, and tops, there are.
    """

    has_gradient: ClassVar[bool] = False
    python: ClassVar[bool] = True
    in_place: ClassVar[bool] = False
    bottom_count: ClassVar[tuple[int, int | None]] = (2, 2)
    top_count: ClassVar[tuple[int, int | None]] = (1, None)
    places: ClassVar[Spatial | None] = nowhere("boxes")

    image_size_x: int
    image_size_y: int
    stride: int
    gridbox_cvg_threshold: float
    gridbox_rect_threshold: int
    gridbox_rect_eps: float
    min_height: int
    num_classes: int = 1

    def __post_init__(self) -> None:
        check_sizes("stride", (self.stride,))
        if min(self.grid) < 1:
            raise NetworkError(
                f"param_str: an image of {self.image_size_x} x {self.image_size_y} has no cell of "
                f"{self.stride} pixels"
            )

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        text = param_str.of(layer)
        words = zip(_PARAMETERS.items(), text.split(","), strict=False)
        try:
            made = cls(**{name: kind(word) for (name, kind), word in words})
        except (TypeError, ValueError) as error:  # too few, or no numbers
            *names, last = _PARAMETERS
            raise NetworkError(
                f"param_str: {text[:80]!r} must list numbers: {', '.join(names)} and, if there "
                f"are several, {last}"
            ) from error
        if len(layer.tops) != made.num_classes:
            raise NetworkError(
                f"num_classes: {made.num_classes} classes need as many tops, there are "
                f"{len(layer.tops)}"
            )
        return made

    def write(self) -> Fields:
        values = (getattr(self, name) for name in _PARAMETERS)
        text = ", ".join(map(str, values))
        return param_str.fields("caffe.layers.detectnet.clustering", "ClusterDetections", text)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        return self.image_size_y // self.stride, self.image_size_x // self.stride

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        for bottom, channels in zip(bottoms, (self.num_classes, 4), strict=True):
            expect_rank(bottom, 4)
            if bottom[1] not in (channels, None):
                raise NetworkError(
                    f"needs bottoms with {self.num_classes} and 4 channels, got {bottoms[0]} and "
                    f"{bottoms[1]}"
                )
        return ((bottoms[0][0], MOST_BOXES, 5),) * tops
