"""SSD's layers around the priors: Permute, Normalize, DetectionOutput, AnnotatedData.

Source: github.com/weiliu89/caffe, branch ssd, `src/caffe/layers/<name>_layer.cpp` and
`src/caffe/util/bbox_util.cpp`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from keras_fcn.caffe.definition import Fields, LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import (
    Array,
    Filler,
    KerasWeight,
    LayerParams,
    Shape,
    Shapes,
    caffe_layer,
    expect_rank,
    product,
)
from keras_fcn.caffe.layers.data import DataLayer
from keras_fcn.caffe.layers.spatial import ELEMENTWISE, WHOLE_MAP, Spatial, nowhere
from keras_fcn.caffe.records import dataclass


@caffe_layer("Permute")
@dataclass(frozen=True, kw_only=True)
class Permute(LayerParams):
    """`PermuteParameter`: the axes in another order; those not listed follow as they were."""

    message: ClassVar[str | None] = "permute_param"
    in_place: ClassVar[bool] = False

    order: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.order)) < len(self.order):
            raise NetworkError(f"order: {self.order} has an axis twice")

    def axes(self, rank: int) -> tuple[int, ...]:
        """For each axis of the top the bottom's axis that it is."""
        if any(axis >= rank for axis in self.order):
            raise NetworkError(f"order: {self.order} is outside a blob with {rank} axes")
        return (*self.order, *(axis for axis in range(rank) if axis not in self.order))

    def shares_memory(self, bottoms: Shapes, tops: int) -> bool:
        return not bottoms or self.axes(len(bottoms[0])) == tuple(range(len(bottoms[0])))

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        return (tuple(bottoms[0][axis] for axis in self.axes(len(bottoms[0]))),)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        rank = len(bottoms[0])
        same = self.axes(rank) == tuple(range(rank))
        return ELEMENTWISE if same else nowhere("axes in another order")


@caffe_layer("Normalize", dialect="normface")
@dataclass(frozen=True, kw_only=True)
class UnitNormalize(LayerParams):
    """`NormalizeParameter` of github.com/happynear/caffe-windows: unit vectors over channels.

    It learns nothing. `normalize_type` is `"L2"`, sqrt(sum of squares + 1e-6), or
    `"L1"`, sum of magnitudes + 1e-6.
    """

    message: ClassVar[str | None] = "normalize_param"
    places: ClassVar[Spatial | None] = ELEMENTWISE
    telling: ClassVar[str | None] = message

    normalize_type: str = "L2"

    def __post_init__(self) -> None:
        if self.normalize_type not in ("L1", "L2"):
            raise NetworkError(f"normalize_type: {self.normalize_type!r} must be 'L1' or 'L2'")

    @classmethod
    def recognizes(
        cls, layer: LayerDefinition, stored: Sequence[tuple[int, ...]] | None
    ) -> bool | None:
        if "norm_param" in layer.fields:
            return False
        if "normalize_param" in layer.fields:
            return True
        return None if stored is None else not stored


@caffe_layer("Normalize", dialect="ssd")
@dataclass(frozen=True, kw_only=True)
class Normalize(LayerParams):
    """`NormalizeParameter` of SSD: unit vectors times a learned scale.

    The vectors run over channels, or with `across_spatial` over whole maps.
    """

    message: ClassVar[str | None] = "norm_param"
    telling: ClassVar[str | None] = message
    weight_ranks: ClassVar[tuple[int | None, ...]] = (None,)

    across_spatial: bool = True
    scale_filler: Filler = Filler(value=1.0)
    channel_shared: bool = True
    eps: float = 1e-10

    @classmethod
    def recognizes(
        cls, layer: LayerDefinition, stored: Sequence[tuple[int, ...]] | None
    ) -> bool | None:
        if "norm_param" in layer.fields:
            return True
        if "normalize_param" in layer.fields:
            return False
        return None if stored is None else bool(stored)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        expect_rank(bottoms[0], 2, 4)
        return bottoms[:1]

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        return ((),) if self.channel_shared else (bottoms[0][1:2],)

    def fillers(self) -> tuple[Filler, ...]:
        return (self.scale_filler,)

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        return [KerasWeight("scale", blobs[0].shape, blobs[0])]

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        return WHOLE_MAP if self.across_spatial else ELEMENTWISE


@dataclass(frozen=True, kw_only=True)
class NonMaximumSuppression:
    """`NonMaximumSuppressionParameter`; a `top_k` of -1 takes all boxes."""

    nms_threshold: float = 0.3
    top_k: int = -1
    eta: float = 1.0

    def __post_init__(self) -> None:
        if self.nms_threshold < 0:
            raise NetworkError(f"nms_threshold: {self.nms_threshold} must not be negative")
        if not 0 < self.eta <= 1:
            raise NetworkError(f"eta: {self.eta} must be above 0 and at most 1")


def apart_from_nms(fields: Fields) -> tuple[Fields, dict[str, NonMaximumSuppression]]:
    """Fields without their `nms_param`, and that, if it is set, as a keyword."""
    if "nms_param" not in fields:
        return fields, {}
    nms = NonMaximumSuppression(**fields["nms_param"])
    return fields.without("nms_param"), {"nms_param": nms}


def expect_predictions(
    locations: Shape, confidences: Shape, priors: Shape, box_classes: int, classes: int
) -> None:
    """Require a location for each prior and class that has boxes, a confidence for each class."""
    if len(priors) < 3:
        raise NetworkError(f"needs priors of shape (1, 2, 4 * boxes), got {priors}")
    boxes = None if priors[2] is None else priors[2] // 4
    for name, shape, wanted in (
        ("locations", locations, product((boxes, box_classes, 4))),
        ("confidences", confidences, product((boxes, classes))),
    ):
        found = product(shape[1:])
        if None not in (found, wanted) and found != wanted:
            raise NetworkError(f"{boxes} priors need {wanted} {name} an image, got {shape}")


@caffe_layer("DetectionOutput")
@dataclass(frozen=True, kw_only=True)
class DetectionOutput(LayerParams):
    """`DetectionOutputParameter`: decoded boxes that no better one of their class overlaps.

    Bottoms: locations, confidences, priors, and possibly images, which are for drawing.
    A `keep_top_k` of -1 keeps all detections, a `background_label_id` of -1 means that
    no class is the background. How many rows the top has is known when the network runs.
    `clip` is of OpenCV, whose face detector has it.
    """

    has_gradient: ClassVar[bool] = False
    message: ClassVar[str | None] = "detection_output_param"
    without_effect: ClassVar[frozenset[str]] = frozenset(
        {"save_output_param", "visualize", "visualize_threshold", "save_file"}
    )
    bottom_count: ClassVar[tuple[int, int | None]] = (3, 4)
    places: ClassVar[Spatial | None] = nowhere("boxes")

    num_classes: int
    share_location: bool = True
    background_label_id: int = 0
    nms_param: NonMaximumSuppression = NonMaximumSuppression()
    code_type: str = "CORNER"
    variance_encoded_in_target: bool = False
    keep_top_k: int = -1
    confidence_threshold: float | None = None
    clip: bool = False

    def __post_init__(self) -> None:
        if self.num_classes < 1:
            raise NetworkError(f"num_classes: {self.num_classes} must be at least 1")

    @classmethod
    def values(cls, fields: Fields, message: str | None = None) -> dict[str, Any]:
        rest, nms = apart_from_nms(fields)
        return {**super().values(rest, message), **nms}

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        classes = 1 if self.share_location else self.num_classes
        locations, confidences, priors = bottoms[:3]
        expect_predictions(locations, confidences, priors, classes, self.num_classes)
        return ((1, 1, None, 7),)


@caffe_layer("DetectionOutputExtended")
@dataclass(frozen=True, kw_only=True)
class DetectionOutputExtended(DetectionOutput):
    """The same for one class and a map of locations: each row has its anchor and position too.

    Source: github.com/openvinotoolkit/training_toolbox_caffe,
    `src/caffe/layers/detection_output_extended_layer.cpp`.
    """

    bottom_count: ClassVar[tuple[int, int | None]] = (3, 3)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.num_classes, self.background_label_id, self.share_location) != (2, 0, True):
            raise NetworkError("needs num_classes: 2, background 0, and share_location: true")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        expect_rank(bottoms[0], 4)
        super().top_shapes(bottoms, tops)
        return ((1, 1, None, 10),)


@caffe_layer("AnnotatedData")
@dataclass(frozen=True, kw_only=True)
class AnnotatedData(DataLayer):
    """Images and their boxes; a label row is (image, class, instance, box, difficult).

    With `yolo_data_type: 1`, of MobileNet-YOLO, each image has 300 rows (class, x, y,
    width, height), zeros behind the last box.
    """

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        label: Shape = (1, 1, None, 8)
        if self.fields.get("annotated_data_param", {}).get("yolo_data_type") == 1:
            label = (None, 1, 300, 5)
        return (*super().top_shapes(bottoms, 1), *(label,) * (tops - 1))
