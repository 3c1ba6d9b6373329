"""EvalDetection, the scoring of YOLO v1's and v2's Caffe versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shapes, caffe_layer, product
from keras_fcn.caffe.layers.spatial import Spatial, nowhere
from keras_fcn.caffe.records import dataclass

_V2_OBJECTS = 5  # fixed in v2's source
_V2_TRUE_BOXES = 30


@dataclass(frozen=True, kw_only=True)
class _EvalDetection(LayerParams):
    """Predictions and true boxes in, which predictions are right out.

    For each image the top says how many objects of each class there are, and then (class,
    score, right, wrong) for each prediction, by class, the best first.

    Attributes:
        threshold: overlap with a true box of its class from which on a prediction is right.
        score_type: OBJ: objectness, PROB: the class's probability, MULTIPLY: both.
        nms: overlap from which on the worse of two predictions is dropped; below 0: none is.
    """

    has_gradient: ClassVar[bool] = False
    message: ClassVar[str | None] = "eval_detection_param"
    in_place: ClassVar[bool] = False
    bottom_count: ClassVar[tuple[int, int | None]] = (2, 2)
    places: ClassVar[Spatial | None] = nowhere("boxes")

    side: int = 7
    num_class: int = 20
    num_object: int = 2
    threshold: float = 0.5
    score_type: str = "MULTIPLY"
    nms: float = -1.0

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers of an image that the bottoms have."""
        raise NotImplementedError

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        for bottom, wanted in zip(bottoms, self.sizes, strict=True):
            found = product(bottom[1:])
            if found not in (wanted, None):
                raise NetworkError(f"needs {wanted} numbers an image, got a bottom {bottom}")
        predictions = self.side**2 * self.num_object
        return ((bottoms[0][0], self.num_class + 4 * predictions),)


@caffe_layer("EvalDetection", dialect="yolov1")
@dataclass(frozen=True, kw_only=True)
class EvalDetection(_EvalDetection):
    """`EvalDetectionParameter` for YOLO v1.

    Source: github.com/hojel/caffe, `src/caffe/layers/eval_detection_layer.cpp`.

    Attributes:
        sqrt: widths and heights are predicted as square roots.
        constriant: middles are predicted relative to their positions.
    """

    sqrt: bool = True
    constriant: bool = True

    @classmethod
    def recognizes(
        cls, layer: LayerDefinition, stored: Sequence[tuple[int, ...]] | None
    ) -> bool | None:
        return "biases" not in layer.fields.message("eval_detection_param")

    @property
    def sizes(self) -> tuple[int, int]:
        cells = self.side**2
        return cells * (self.num_class + 5 * self.num_object), cells * 7


@caffe_layer("EvalDetection", dialect="yolov2")
@dataclass(frozen=True, kw_only=True)
class AnchorEvalDetection(_EvalDetection):
    """`EvalDetectionParameter` for YOLO v2, whose boxes have anchors.

    Source: github.com/choasup/caffe-yolo9000, `src/caffe/layers/eval_detection_layer.cpp`.

    Attributes:
        biases: widths and heights of the anchors, in positions.
    """

    restriction: ClassVar[str] = "five anchors"
    without_effect: ClassVar[frozenset[str]] = frozenset({"sqrt", "constriant"})

    biases: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.num_object != _V2_OBJECTS or len(self.biases) < 2 * _V2_OBJECTS:
            raise NetworkError(
                f"num_object: {self.num_object} and {len(self.biases)} biases must be "
                f"{_V2_OBJECTS} and {2 * _V2_OBJECTS}"
            )

    @classmethod
    def recognizes(
        cls, layer: LayerDefinition, stored: Sequence[tuple[int, ...]] | None
    ) -> bool | None:
        return "biases" in layer.fields.message("eval_detection_param")

    @property
    def sizes(self) -> tuple[int, int]:
        return self.side**2 * self.num_object * (self.num_class + 5), _V2_TRUE_BOXES * 5
