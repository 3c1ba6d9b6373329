"""SSD's training and scoring: MultiBoxLoss and DetectionEvaluate.

Source: github.com/weiliu89/caffe, branch ssd, `src/caffe/layers/multibox_loss_layer.cpp`,
`detection_evaluate_layer.cpp` and `src/caffe/util/bbox_util.cpp`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from keras_fcn.caffe.definition import Fields
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shape, Shapes, caffe_layer, expect_rank
from keras_fcn.caffe.layers.loss import NormalizedLoss
from keras_fcn.caffe.layers.spatial import Spatial, nowhere
from keras_fcn.caffe.layers.ssd import NonMaximumSuppression, apart_from_nms, expect_predictions
from keras_fcn.caffe.records import dataclass

_ROW = 8  # image, class, instance, box, difficult


@caffe_layer("MultiBoxLoss")
@dataclass(frozen=True, kw_only=True)
class MultiBoxLoss(NormalizedLoss):
    """`MultiBoxLossParameter`: the loss of boxes that are matched with true ones.

    Bottoms: locations, confidences, priors, and the true boxes of all images. The loss of
    the locations, times `loc_weight`, and that of the classes are summed and divided by
    the number of matches (VALID), or of images, or of images times priors (FULL).

    Attributes:
        match_type: BIPARTITE: each true box gets its best one; PER_PREDICTION: others
            that overlap a true box by `overlap_threshold` match it too.
        mining_type: which unmatched boxes count as background: NONE: all; MAX_NEGATIVE:
            those with the largest losses, `neg_pos_ratio` for each match, of those that
            overlap true boxes by less than `neg_overlap`; HARD_EXAMPLE: the
            `sample_size` boxes of an image with the largest losses count, matched or not.
        nms_param: suppress overlapping boxes before they are chosen.
        do_neg_mining: the older form of `mining_type`: false stands for NONE.
    """

    stops_gradient: ClassVar[tuple[int, ...] | None] = (2, 3)
    messages: ClassVar[tuple[str, ...]] = ("loss_param", "multibox_loss_param")
    bottom_count: ClassVar[tuple[int, int | None]] = (4, 4)

    num_classes: int = 0
    loc_loss_type: str = "SMOOTH_L1"
    conf_loss_type: str = "SOFTMAX"
    loc_weight: float = 1.0
    share_location: bool = True
    match_type: str = "PER_PREDICTION"
    overlap_threshold: float = 0.5
    use_prior_for_matching: bool = True
    background_label_id: int = 0
    use_difficult_gt: bool = True
    do_neg_mining: bool | None = None
    neg_pos_ratio: float = 3.0
    neg_overlap: float = 0.5
    code_type: str = "CORNER"
    encode_variance_in_target: bool = False
    map_object_to_agnostic: bool = False
    ignore_cross_boundary_bbox: bool = False
    bp_inside: bool = False
    mining_type: str = "MAX_NEGATIVE"
    nms_param: NonMaximumSuppression | None = None
    sample_size: int = 64
    use_prior_for_nms: bool = False

    def __post_init__(self) -> None:
        mines, background = self.mining_type != "NONE", self.background_label_id
        if self.num_classes < 1:
            raise NetworkError("field 'num_classes' is missing, or 0")
        if self.do_neg_mining not in (None, mines):
            raise NetworkError(
                f"do_neg_mining: {str(self.do_neg_mining).lower()} contradicts mining_type: "
                f"{self.mining_type}"
            )
        if mines and not self.share_location:
            raise NetworkError("share_location: false needs mining_type: NONE")
        if self.mining_type == "HARD_EXAMPLE" and self.sample_size < 1:
            raise NetworkError(f"sample_size: {self.sample_size} must be at least 1")
        if background >= self.num_classes and (mines or self.conf_loss_type == "SOFTMAX"):
            raise NetworkError(
                f"background_label_id: {background} must be below num_classes: {self.num_classes}"
            )
        if self.map_object_to_agnostic and self.num_classes != 2:
            raise NetworkError("map_object_to_agnostic: true needs num_classes: 2")

    @classmethod
    def values(cls, fields: Fields, message: str | None = None) -> dict[str, Any]:
        rest, nms = apart_from_nms(fields)
        given = {**super().values(rest, message), **nms}
        if given.get("do_neg_mining") is False:
            given.setdefault("mining_type", "NONE")
        return given

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        return (1, 1, None, _ROW) if index == 3 else None

    def check(self, *bottoms: Shape) -> None:
        locations, confidences, priors, truth = bottoms
        classes = 1 if self.share_location else self.num_classes
        expect_predictions(locations, confidences, priors, classes, self.num_classes)
        expect_rank(truth, 4)
        if truth[3] not in (_ROW, None):
            raise NetworkError(f"needs true boxes of shape (1, 1, boxes, {_ROW}), got {truth}")


_RESIZE = ("resize_mode", "height", "width")
_TO_SCALE = ("height_scale", "width_scale")


@caffe_layer("DetectionEvaluate")
@dataclass(frozen=True, kw_only=True)
class DetectionEvaluate(LayerParams):
    """`DetectionEvaluateParameter`: which detections are right, and how many were to be found.

    Bottoms: the rows of a DetectionOutput, and the true boxes of all images. Rows of the
    top: (-1, class, number of true boxes, -1, -1) for each class but the background, then
    (image, class, score, right, wrong) for each detection.

    Attributes:
        evaluate_difficult_gt: whether true boxes that are marked as difficult count.
        name_size_file: lines "name height width" in the order of the images: boxes are
            compared in pixels.
        resize_param: how the images were resized, as (mode, height, width).
    """

    restriction: ClassVar[str] = "`resize_param` without factors"
    has_gradient: ClassVar[bool] = False
    message: ClassVar[str | None] = "detection_evaluate_param"
    in_place: ClassVar[bool] = False
    bottom_count: ClassVar[tuple[int, int | None]] = (2, 2)
    places: ClassVar[Spatial | None] = nowhere("boxes")

    num_classes: int
    background_label_id: int = 0
    overlap_threshold: float = 0.5
    evaluate_difficult_gt: bool = True
    name_size_file: str | None = None
    resize_param: tuple[str, int, int] = ("WARP", 0, 0)

    def __post_init__(self) -> None:
        if self.overlap_threshold <= 0:
            raise NetworkError(f"overlap_threshold: {self.overlap_threshold} must be above 0")
        mode, *size = self.resize_param
        if mode == "FIT_LARGE_SIZE_AND_PAD" and min(size) < 1:
            raise NetworkError(f"resize_param: {mode} needs height and width")

    @classmethod
    def values(cls, fields: Fields, message: str | None = None) -> dict[str, Any]:
        given = super().values(fields.without("resize_param"), message)
        if "resize_param" not in fields:
            return given
        resize = fields["resize_param"]
        if any(resize.get(name) for name in _TO_SCALE):
            raise NetworkError("resize_param: height_scale and width_scale must be 0")
        sizes = zip(_RESIZE, ("WARP", 0, 0), strict=True)
        return given | {"resize_param": tuple(resize.get(name, default) for name, default in sizes)}

    def write(self) -> Fields:
        fields = super().write().message("detection_evaluate_param")
        if "resize_param" in fields:
            mode, *size = self.resize_param
            resize = zip(_RESIZE, (mode, *size), strict=True)
            fields = fields.with_(resize_param=dict(resize))
        return fields.within("detection_evaluate_param")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        for bottom, numbers in zip(bottoms, (7, _ROW), strict=True):
            expect_rank(bottom, 4)
            if bottom[3] not in (numbers, None):
                raise NetworkError(
                    f"needs bottoms (1, 1, rows, 7) and (1, 1, boxes, 8), got {bottoms}"
                )
        return ((1, 1, None, 5),)
