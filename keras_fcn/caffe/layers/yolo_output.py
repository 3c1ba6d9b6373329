"""Detections of YOLO networks: YoloDetectionOutput and Yolov3DetectionOutput.

Source: github.com/eric612/MobileNet-YOLO, `src/caffe/layers/yolo_detection_output_layer.cpp`
and `yolov3_detection_output_layer.cpp`.
"""

from __future__ import annotations

from typing import ClassVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shapes, caffe_layer, expect_rank
from keras_fcn.caffe.layers.spatial import Spatial, nowhere
from keras_fcn.caffe.records import dataclass

Anchors = tuple[tuple[float, float], ...]
_COORDS = 4


@dataclass(frozen=True, kw_only=True)
class _YoloOutput(LayerParams):
    """Maps in, for each position a number of boxes: x, y, width, height, objectness, classes."""

    restriction: ClassVar[str] = "maps as high as wide"
    has_gradient: ClassVar[bool] = False
    in_place: ClassVar[bool] = False
    places: ClassVar[Spatial | None] = nowhere("boxes")

    num_classes: int
    num_box: int
    confidence_threshold: float = 0.01
    nms_threshold: float = 0.45
    biases: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for field in ("num_classes", "num_box"):
            if getattr(self, field) < 1:
                raise NetworkError(f"{field}: {getattr(self, field)} must be at least 1")

    def anchors(self, maps: int) -> tuple[Anchors, ...]:
        """For each map width and height of its boxes, in positions.

        Raises:
            NetworkError: the parameters have too few of them.
        """
        raise NotImplementedError

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        self.anchors(len(bottoms))
        wanted = self.num_box * (_COORDS + 1 + self.num_classes)
        for bottom in bottoms:
            expect_rank(bottom, 4)
            if bottom[1] not in (None, wanted):
                raise NetworkError(
                    f"{self.num_box} boxes of {self.num_classes} classes need {wanted} channels, "
                    f"got {bottom}"
                )
            if None not in bottom[2:] and bottom[2] != bottom[3]:
                raise NetworkError(f"needs maps as high as wide, got {bottom}")
        return ((1, 1, None, 7),)

    def _pairs(self, numbers: range | tuple[int, ...], scale: float = 1.0) -> Anchors:
        if any(2 * number + 1 >= len(self.biases) for number in numbers):
            raise NetworkError(
                f"biases: {len(self.biases)} numbers are too few for anchor {max(numbers)}"
            )
        return tuple((self.biases[2 * n] / scale, self.biases[2 * n + 1] / scale) for n in numbers)


@caffe_layer("YoloDetectionOutput")
@dataclass(frozen=True, kw_only=True)
class YoloDetectionOutput(_YoloOutput):
    """`YoloDetectionOutputParameter`: YOLO v2's boxes, each with its likeliest class."""

    message: ClassVar[str | None] = "yolo_detection_output_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"side", "label_map_file"})
    bottom_count: ClassVar[tuple[int, int | None]] = (1, 2)

    num_box: int = 5
    coords: int = _COORDS

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.coords != _COORDS:
            raise NetworkError(f"coords: {self.coords} must be {_COORDS}")

    def anchors(self, maps: int) -> tuple[Anchors, ...]:
        return (self._pairs(range(self.num_box)),) * maps


@caffe_layer("Yolov3DetectionOutput")
@dataclass(frozen=True, kw_only=True)
class Yolov3DetectionOutput(_YoloOutput):
    """`Yolov3DetectionOutputParameter`: YOLO v3's boxes of several maps, for each class.

    Attributes:
        biases: widths and heights in pixels.
        anchors_scale: pixels of a position of each map.
        mask_group_num: how many maps there are.
        mask: which of the biases each map has, one map after another.
    """

    message: ClassVar[str | None] = "yolov3_detection_output_param"
    bottom_count: ClassVar[tuple[int, int | None]] = (1, None)

    num_box: int = 3
    anchors_scale: tuple[int, ...] = ()
    mask_group_num: int = 2
    mask: tuple[int, ...] = ()

    def anchors(self, maps: int) -> tuple[Anchors, ...]:
        if self.mask_group_num != maps:
            raise NetworkError(f"mask_group_num: {self.mask_group_num} needs as many bottoms")
        if len(self.anchors_scale) < maps or 0 in self.anchors_scale:
            raise NetworkError(f"anchors_scale: {self.anchors_scale} needs a number a bottom")
        step = len(self.mask) // maps
        masks = [self.mask[step * i : step * i + self.num_box] for i in range(maps)]
        if any(len(mask) < self.num_box for mask in masks):
            raise NetworkError(f"mask: {self.mask} is too short for {maps} x {self.num_box} boxes")
        return tuple(
            self._pairs(mask, scale) for mask, scale in zip(masks, self.anchors_scale, strict=False)
        )
