"""Accuracy. Source: `src/caffe/layers/accuracy_layer.cpp`."""

from __future__ import annotations

from typing import ClassVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shape, Shapes, caffe_layer, canonical_axis
from keras_fcn.caffe.layers.loss import expect_labels, labels_of
from keras_fcn.caffe.layers.spatial import WHOLE_MAP, Spatial
from keras_fcn.caffe.records import dataclass


@caffe_layer("Accuracy")
@dataclass(frozen=True, kw_only=True)
class Accuracy(LayerParams):
    """`AccuracyParameter`: share of labels among the `top_k` best classes.

    The second top holds the shares of each class.

    Attributes:
        top_k: how many classes may be as good as the label's, itself included.
        axis: the classes' axis.
        ignore_label: the label of what does not count; None: everything counts.
    """

    stops_gradient: ClassVar[tuple[int, ...] | None] = None
    has_gradient: ClassVar[bool] = False
    message: ClassVar[str | None] = "accuracy_param"
    in_place: ClassVar[bool] = False
    bottom_count: ClassVar[tuple[int, int | None]] = (2, 2)
    top_count: ClassVar[tuple[int, int | None]] = (1, 2)
    places: ClassVar[Spatial | None] = WHOLE_MAP

    top_k: int = 1
    axis: int = 1
    ignore_label: int | None = None

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        return labels_of(bottoms[0], self.axis) if index else None

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        predictions, labels = bottoms
        expect_labels(predictions, labels, self.axis)
        classes = predictions[canonical_axis(self.axis, len(predictions))]
        if classes is not None and self.top_k > classes:
            raise NetworkError(f"top_k: {self.top_k} must be at most {classes}, the classes")
        return ((), (classes,))[:tops]
