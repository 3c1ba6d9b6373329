"""Reorg and Region of the Caffe forks that run YOLO v2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shape, Shapes, caffe_layer, expect_rank
from keras_fcn.caffe.layers.spatial import ELEMENTWISE, Spatial, nowhere
from keras_fcn.caffe.records import dataclass


@caffe_layer("Reorg")
@dataclass(frozen=True, kw_only=True)
class Reorg(LayerParams):
    """`ReorgParameter`: squares of `stride` x `stride` pixels become channels, or back.

    The elements come in darknet's order, which reads a map of C channels as if it had
    C / stride^2 and as many more pixels.

    Source: `reorg_cpu` of github.com/pjreddie/darknet, `src/blas.c`, as called in
    github.com/gklz1982/caffe-yolov2, `src/caffe/layers/reorg_layer.cpp`.
    """

    message: ClassVar[str | None] = "reorg_param"
    in_place: ClassVar[bool] = False
    places: ClassVar[Spatial | None] = nowhere("elements in darknet's order, which mixes places")

    stride: int
    reverse: bool = False

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise NetworkError(f"stride: {self.stride} must be at least 1")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        expect_rank(bottoms[0], 4)
        images, channels, *sizes = bottoms[0]
        square = self.stride**2
        if channels is not None and channels % square:
            raise NetworkError(
                f"stride: {self.stride}: {channels} channels are no multiple of it^2"
            )
        if self.reverse:
            top = tuple(size if size is None else size * self.stride for size in sizes)
            return ((images, None if channels is None else channels // square, *top),)
        if any(size is not None and size % self.stride for size in sizes):
            raise NetworkError(f"stride: {self.stride} does not divide a map of {tuple(sizes)}")
        top = tuple(size if size is None else size // self.stride for size in sizes)
        return ((images, None if channels is None else channels * square, *top),)


@dataclass(frozen=True, kw_only=True)
class _Region(LayerParams):
    """For each position a number of boxes; for each box coordinates, objectness, classes."""

    message: ClassVar[str | None] = "region_param"
    in_place: ClassVar[bool] = False
    count: ClassVar[str]
    """Name of the field that says how many boxes a position has."""

    classes: int
    coords: int = 4

    @classmethod
    def recognizes(
        cls, layer: LayerDefinition, stored: Sequence[tuple[int, ...]] | None
    ) -> bool | None:
        fields = ("boxes_of_each_grid", "num")
        given = [name for name in fields if name in layer.fields.message("region_param")]
        return given == [cls.count] if given else None

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        bottom: Shape = bottoms[0]
        expect_rank(bottom, 4)
        boxes = getattr(self, self.count)
        wanted = boxes * (self.coords + 1 + self.classes)
        if bottom[1] not in (None, wanted):
            raise NetworkError(f"{self.count}: {boxes} boxes need {wanted} channels, got {bottom}")
        return bottoms[:1]


@caffe_layer("Region", dialect="yolov2")
@dataclass(frozen=True, kw_only=True)
class FlatRegion(_Region):
    """`RegionParameter`: the elements box by box, in a blob of the bottom's shape.

    Objectness goes through a sigmoid; the classes, with `softmax`, through a softmax.

    Source: github.com/BirdeeChen/caffe_yolo_v2, `src/caffe/layers/region_layer.cpp`.
    """

    count: ClassVar[str] = "boxes_of_each_grid"
    places: ClassVar[Spatial | None] = nowhere("elements box by box")
    always: ClassVar[frozenset[str]] = frozenset({count})

    classes: int = 20
    boxes_of_each_grid: int = 5
    softmax: bool = False

    def __post_init__(self) -> None:
        if self.coords != 4:
            raise NetworkError(f"coords: {self.coords} must be 4")


@caffe_layer("Region", dialect="openvino")
@dataclass(frozen=True, kw_only=True)
class Region(_Region):
    """`RegionParameter`: sigmoid of x, y and objectness, softmax over the classes.

    Source: github.com/openvinotoolkit/training_toolbox_caffe,
    `src/caffe/layers/region_layer.cpp`.
    """

    count: ClassVar[str] = "num"
    places: ClassVar[Spatial | None] = ELEMENTWISE

    num: int
