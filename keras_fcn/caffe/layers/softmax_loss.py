"""Losses of a softmax. Source: `softmax_loss_layer.cpp`, `infogain_loss_layer.cpp`."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Self

from keras_fcn.caffe.definition import Fields, LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import Shape, Shapes, caffe_layer, canonical_axis, product
from keras_fcn.caffe.layers.loss import NormalizedLoss, expect_labels, labels_of
from keras_fcn.caffe.layers.spatial import WHOLE_MAP, Spatial, whole_along
from keras_fcn.caffe.records import dataclass


@caffe_layer("SoftmaxWithLoss")
@dataclass(frozen=True, kw_only=True)
class SoftmaxWithLoss(NormalizedLoss):
    """`SoftmaxParameter`: -log of the label's probability.

    A second top, which the source allows, its inner Softmax refuses as it is set up.

    Attributes:
        axis: the classes' axis.
        class_weighting: a factor for each class, of SegNet's Caffe; it counts with
            `weight_by_label_freqs`. Source: TimoSaemann/caffe-segnet-cudnn5,
            `src/caffe/layers/softmax_loss_layer.cpp`.
    """

    stops_gradient: ClassVar[tuple[int, ...] | None] = (1,)
    messages: ClassVar[tuple[str, ...]] = ("loss_param", "softmax_param")
    weighs_classes: ClassVar[bool] = True

    axis: int = 1
    class_weighting: tuple[float, ...] = ()

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        params, given = super().read(layer), layer.fields.message("loss_param")
        if not given.get("weight_by_label_freqs"):
            return replace(params, class_weighting=())
        if not params.class_weighting:
            raise NetworkError("weight_by_label_freqs: true needs a 'class_weighting' a class")
        return params

    def write(self) -> Fields:
        asked = Fields(weight_by_label_freqs=True) if self.class_weighting else Fields()
        return super().write().merged(asked.within("loss_param"))

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        return labels_of(bottoms[0], self.axis) if index else None

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        return (*super().top_shapes(bottoms, 1), *bottoms)[:tops]

    def check(self, *bottoms: Shape) -> None:
        expect_labels(bottoms[0], bottoms[1], self.axis)
        classes = bottoms[0][canonical_axis(self.axis, len(bottoms[0]))]
        if self.class_weighting and classes not in (None, len(self.class_weighting)):
            raise NetworkError(
                f"class_weighting: has {len(self.class_weighting)} weights for {classes} classes"
            )

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        """The second top holds the probabilities."""
        if top == 0:
            return WHOLE_MAP
        rank = len(bottoms[0])
        (axes,) = whole_along(canonical_axis(self.axis, rank), rank).bottoms
        return Spatial((axes, ()))


@caffe_layer("SoftmaxWithLossOHEM")
@dataclass(frozen=True, kw_only=True)
class SoftmaxWithLossOHEM(SoftmaxWithLoss):
    """The same with two more tops, the softmax and the loss of each position.

    Source: github.com/daijifeng001/caffe-rfcn, `softmax_loss_ohem_layer.cu`.
    """

    weighs_classes: ClassVar[bool] = False
    top_count: ClassVar[tuple[int, int | None]] = (1, 3)


@caffe_layer("InfogainLoss")
@dataclass(frozen=True, kw_only=True)
class InfogainLoss(NormalizedLoss):
    """`InfogainLossParameter`: -sum of H[label] * log softmax; the second top is the softmax.

    Attributes:
        source: a binaryproto file that holds H, where it is not the third bottom.
        axis: the classes' axis.
    """

    stops_gradient: ClassVar[tuple[int, ...] | None] = (1, 2)
    messages: ClassVar[tuple[str, ...]] = ("loss_param", "infogain_loss_param")
    bottom_count: ClassVar[tuple[int, int | None]] = (2, 3)
    top_count: ClassVar[tuple[int, int | None]] = (1, 2)

    source: str | None = None
    axis: int = 1

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        params = super().read(layer)
        if "normalize" in layer.fields.message("loss_param"):
            raise NetworkError("normalize: is not allowed here, give 'normalization'")
        if params.source is None and len(layer.bottoms) < 3:
            raise NetworkError("field 'source' is missing; it, or a third bottom, gives H")
        return params

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        return labels_of(bottoms[0], self.axis) if index == 1 else None

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        return (*super().top_shapes(bottoms, tops), bottoms[0])[:tops]

    def check(self, *bottoms: Shape) -> None:
        predictions, labels, *matrix = bottoms
        expect_labels(predictions, labels, self.axis)
        for shape in matrix:
            self.expect_matrix(predictions, shape)

    def expect_matrix(self, predictions: Shape, matrix: Shape) -> None:
        """Require one number for each pair of classes."""
        classes = predictions[canonical_axis(self.axis, len(predictions))]
        count = product(matrix)
        if count is not None and classes is not None and count != classes**2:
            raise NetworkError(f"H of shape {matrix} must have {classes} x {classes} numbers")

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        """The second top holds the probabilities."""
        if top == 0:
            return WHOLE_MAP
        rank = len(bottoms[0])
        (axes,) = whole_along(canonical_axis(self.axis, rank), rank).bottoms
        return Spatial((axes, ()))
