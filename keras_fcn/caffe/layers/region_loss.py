"""RegionLoss, YOLO v2's training loss in MobileNet-YOLO."""

from __future__ import annotations

from typing import ClassVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import Shape, Shapes, caffe_layer, expect_rank, product
from keras_fcn.caffe.layers.loss import Loss
from keras_fcn.caffe.records import dataclass

_COORDS = 4


@caffe_layer("RegionLoss")
@dataclass(frozen=True, kw_only=True)
class RegionLoss(Loss):
    """`RegionLossParameter`: predictions of boxes, objectness and classes against objects.

    Bottoms: a map with `num` boxes a position, and for each image rows (class, x, y, width,
    height), of which those after the first without an x do not count.

    Source: github.com/eric612/MobileNet-YOLO, `src/caffe/layers/region_loss_layer.cpp`.

    Attributes:
        bias_match: an object is given to the anchor, else to the prediction, of its size.
        rescore: objectness is to be the overlap, else 1, and small boxes count more.
        thresh: overlap with an object above which a box need not be empty.
        biases: widths and heights of the anchors, in positions.
    """

    restriction: ClassVar[str] = "no trees of classes (YOLO9000)"
    messages: ClassVar[tuple[str, ...]] = ("region_loss_param",)
    without_effect: ClassVar[frozenset[str]] = frozenset(
        {"side", "softmax", "jitter", "absolute", "random", "class_map"}
    )

    num_class: int = 20
    bias_match: int = 1
    coords: int = _COORDS
    num: int = 5
    rescore: int = 1
    object_scale: float = 1.0
    class_scale: float = 1.0
    noobject_scale: float = 0.5
    coord_scale: float = 5.0
    thresh: float = 0.2
    biases: tuple[float, ...] = ()
    softmax_tree: str = ""

    def __post_init__(self) -> None:
        if self.softmax_tree:
            raise NetworkError("softmax_tree: trees of classes, YOLO9000's, are not built")
        if self.coords != _COORDS:
            raise NetworkError(f"coords: {self.coords} must be {_COORDS}")

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        rows = len(bottoms[index]) == 4 and bottoms[index][3] is not None
        return (bottoms[0][0], 1, None, 5) if index and not rows else None

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        self.check(*bottoms)
        return ((),)

    def check(self, *bottoms: Shape) -> None:
        data, objects = bottoms
        expect_rank(data, 4)
        if len(self.biases) < 2 * self.num or min(self.biases) <= 0:
            raise NetworkError(f"biases: needs two positive numbers for each of {self.num} boxes")
        wanted = self.num * (_COORDS + 1 + self.num_class)
        if data[1] not in (None, wanted):
            raise NetworkError(f"{self.num} boxes need {wanted} channels, got {data}")
        numbers = product(objects[1:])
        if objects[-1] not in (5, None) and (numbers is None or numbers % 5):
            raise NetworkError(
                "needs rows of five numbers (class, x, y, width, height) for each image, got a "
                f"bottom {objects}"
            )
