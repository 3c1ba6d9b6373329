"""Smooth L1 losses of Fast R-CNN, SSD and R-FCN, and R-FCN's choice of hard examples.

Sources: `smooth_L1_loss_layer.cu` of rbgirshick/caffe-fast-rcnn (branch fast-rcnn) and of
weiliu89/caffe (branch ssd), `smooth_L1_loss_ohem_layer.cu` and
`box_annotator_ohem_layer.cu` of daijifeng001/caffe-rfcn.
"""

from __future__ import annotations

from typing import ClassVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shape, Shapes, caffe_layer, expect_rank
from keras_fcn.caffe.layers.loss import Loss, NormalizedLoss
from keras_fcn.caffe.layers.spatial import ELEMENTWISE, WHOLE_MAP, Spatial, nowhere
from keras_fcn.caffe.records import dataclass

_LEGACY_AXES = 4


def _legacy(shape: Shape) -> Shape:
    """A shape as (num, channels, height, width)."""
    expect_rank(shape, 1, _LEGACY_AXES)
    return (*shape, 1, 1, 1)[:_LEGACY_AXES]


def _expect_alike(shapes: Shapes) -> None:
    """Require the same number of images, channels, rows and columns."""
    first = _legacy(shapes[0])
    for shape in shapes[1:]:
        pairs = zip(first, _legacy(shape), strict=True)
        if any(None not in pair and pair[0] != pair[1] for pair in pairs):
            raise NetworkError(f"bottoms must have the same shape, got {shapes[0]} and {shape}")


@caffe_layer("SmoothL1Loss")
@dataclass(frozen=True, kw_only=True)
class SmoothL1Loss(Loss):
    """`SmoothL1LossParameter`: squares of small differences, magnitudes of large ones.

    Bottoms: predictions and targets; with a third (SSD) weights of the differences, with
    four (Fast R-CNN) those, and weights of the losses. The sum is divided by the number of
    images.

    Attributes:
        sigma: a difference is small below 1 / sigma^2.
    """

    messages: ClassVar[tuple[str, ...]] = ("smooth_l1_loss_param",)
    bottom_count: ClassVar[tuple[int, int | None]] = (2, 4)

    sigma: float = 1.0

    def __post_init__(self) -> None:
        if self.sigma == 0:
            raise NetworkError("sigma: must not be 0")

    def check(self, *bottoms: Shape) -> None:
        _expect_alike(bottoms)


@caffe_layer("SmoothL1LossOHEM")
@dataclass(frozen=True, kw_only=True)
class SmoothL1LossOHEM(NormalizedLoss):
    """The loss with sigma 1, normalized; the second top is the loss of each region.

    A third bottom weighs the differences. FULL and VALID both divide by the number of
    regions, `ignore_label` means nothing.
    """

    bottom_count: ClassVar[tuple[int, int | None]] = (2, 3)
    top_count: ClassVar[tuple[int, int | None]] = (1, 2)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        images, _, *sizes = _legacy(bottoms[0])
        return (*super().top_shapes(bottoms, 1), (images, 1, *sizes))[:tops]

    def check(self, *bottoms: Shape) -> None:
        _expect_alike(bottoms)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        return ELEMENTWISE if top else WHOLE_MAP


@caffe_layer("BoxAnnotatorOHEM")
@dataclass(frozen=True, kw_only=True)
class BoxAnnotatorOHEM(LayerParams):
    """`BoxAnnotatorOHEMParameter`: the regions of each image with the largest losses.

    Bottoms: regions, their losses, labels and weights. Tops: labels and weights, those of
    other regions being `ignore_label` and 0.

    Attributes:
        roi_per_img: how many regions of an image count.
        ignore_label: the label of the others.
    """

    has_gradient: ClassVar[bool] = False
    message: ClassVar[str | None] = "box_annotator_ohem_param"
    in_place: ClassVar[bool] = False
    bottom_count: ClassVar[tuple[int, int | None]] = (4, 4)
    top_count: ClassVar[tuple[int, int | None]] = (2, 2)
    places: ClassVar[Spatial | None] = nowhere("regions of interest")

    roi_per_img: int
    ignore_label: int = -1

    def __post_init__(self) -> None:
        if self.roi_per_img < 1:
            raise NetworkError(f"roi_per_img: {self.roi_per_img} must be at least 1")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        regions, weights = _legacy(bottoms[0]), _legacy(bottoms[3])
        for shape, channels in zip(bottoms, (5, 1, 1, weights[1]), strict=True):
            _expect_alike(((regions[0], channels, *regions[2:]), shape))
        return ((regions[0], 1, *regions[2:]), (regions[0], weights[1], *regions[2:]))
