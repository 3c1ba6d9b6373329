"""Losses. Source: `src/caffe/layers/loss_layer.cpp` and `*_loss_layer.cpp`."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Self

from keras_fcn.caffe.definition import Fields, LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import (
    LayerParams,
    Shape,
    Shapes,
    caffe_layer,
    canonical_axis,
    expect_rank,
    product,
)
from keras_fcn.caffe.layers.spatial import WHOLE_MAP, Spatial
from keras_fcn.caffe.records import dataclass

_LEGACY_AXES = 4  # of a blob that Caffe reads as (num, channels, height, width)
_NORMALIZE = {True: "VALID", False: "BATCH_SIZE"}


@dataclass(frozen=True, kw_only=True)
class Loss(LayerParams):
    """Compares two bottoms, image by image; the top is one number."""

    messages: ClassVar[tuple[str, ...]] = ()
    """Names of the parameter messages."""
    in_place: ClassVar[bool] = False
    auto_top: ClassVar[bool] = True
    bottom_count: ClassVar[tuple[int, int | None]] = (2, 2)
    places: ClassVar[Spatial | None] = WHOLE_MAP

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        weights, tops = len(layer.loss_weights) or 1, len(layer.tops) or 1
        if weights != tops:
            raise NetworkError(f"loss_weight: needs one for each of {tops} tops, has {weights}")
        values: dict[str, Any] = {}
        for message in cls.messages:
            values |= cls.values(layer.fields.message(message), message)
        return cls(**values)

    def write(self) -> Fields:
        return self.in_messages(*self.messages)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        for bottom in bottoms[:2]:
            canonical_axis(0, len(bottom))
        _expect_same(bottoms[0][0], bottoms[1][0], "images", bottoms)
        self.check(*bottoms)
        return ((),)

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        """Targets are shaped as the predictions."""
        return bottoms[0] if index else None

    def check(self, *bottoms: Shape) -> None:
        """Check further requirements of the type on its bottoms."""


@dataclass(frozen=True, kw_only=True)
class NormalizedLoss(Loss):
    """A loss with `LossParameter`: some labels may not count, the sum is divided.

    Attributes:
        ignore_label: the label of what does not count; None: everything counts.
        normalization: the divisor, never below 1. FULL: number of predictions; VALID: of
            those that count; BATCH_SIZE: of images; NONE: 1; PRE_FIXED, of R-FCN's Caffe:
            `pre_fixed_normalizer`. The older `normalize` stands for VALID or BATCH_SIZE.
    """

    messages: ClassVar[tuple[str, ...]] = ("loss_param",)
    without_effect: ClassVar[frozenset[str]] = frozenset(
        {"normalize", "engine", "class_weighting", "weight_by_label_freqs"}
    )
    weighs_classes: ClassVar[bool] = False
    """Whether SegNet's fork has weights of classes for this loss."""

    ignore_label: int | None = None
    normalization: str = "VALID"
    pre_fixed_normalizer: float = 1.0

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        params, given = super().read(layer), layer.fields.message("loss_param")
        if given.get("weight_by_label_freqs") and not cls.weighs_classes:
            raise NetworkError("weight_by_label_freqs: true is for SoftmaxWithLoss only")
        if "normalize" in given and "normalization" not in given:
            return dataclasses.replace(params, normalization=_NORMALIZE[given["normalize"]])
        return params


@caffe_layer("SigmoidCrossEntropyLoss")
@dataclass(frozen=True, kw_only=True)
class SigmoidCrossEntropyLoss(NormalizedLoss):
    """Sum of the cross entropies of sigmoid(x) and targets in [0, 1]."""

    stops_gradient: ClassVar[tuple[int, ...] | None] = (1,)

    normalization: str = "BATCH_SIZE"

    def check(self, *bottoms: Shape) -> None:
        _expect_same(product(bottoms[0]), product(bottoms[1]), "elements", bottoms)


@caffe_layer("EuclideanLoss")
@dataclass(frozen=True, kw_only=True)
class EuclideanLoss(Loss):
    """Sum of the squared differences over twice the number of images."""

    def check(self, *bottoms: Shape) -> None:
        expect_rank(bottoms[0], 1, _LEGACY_AXES + 1)  # C3D's blobs have one more
        first, second = (product(bottom[1:]) for bottom in bottoms)
        _expect_same(first, second, "elements an image", bottoms)


@caffe_layer("MultinomialLogisticLoss")
@dataclass(frozen=True, kw_only=True)
class MultinomialLogisticLoss(Loss):
    """-log of the label's probability, which is the bottom itself."""

    stops_gradient: ClassVar[tuple[int, ...] | None] = (1,)

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        return bottoms[0][:1] if index else None

    def check(self, *bottoms: Shape) -> None:
        expect_rank(bottoms[0], 1, _LEGACY_AXES)
        _expect_one_an_image(bottoms[1], "label")


@caffe_layer("HingeLoss")
@dataclass(frozen=True, kw_only=True)
class HingeLoss(Loss):
    """`HingeLossParameter`: margins of one class against all others, or (L2) their squares."""

    stops_gradient: ClassVar[tuple[int, ...] | None] = (1,)
    messages: ClassVar[tuple[str, ...]] = ("hinge_loss_param",)

    norm: str = "L1"

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        return bottoms[0][:1] if index else None

    def check(self, *bottoms: Shape) -> None:
        expect_rank(bottoms[0], 1, _LEGACY_AXES)
        _expect_one_an_image(bottoms[1], "label")


@caffe_layer("ContrastiveLoss")
@dataclass(frozen=True, kw_only=True)
class ContrastiveLoss(Loss):
    """`ContrastiveLossParameter`: draws similar pairs together, pushes others apart.

    Attributes:
        margin: the distance from which on a dissimilar pair costs nothing.
        legacy_version: subtract the squared distance from the margin.
    """

    messages: ClassVar[tuple[str, ...]] = ("contrastive_loss_param",)
    bottom_count: ClassVar[tuple[int, int | None]] = (3, 3)

    margin: float = 1.0
    legacy_version: bool = False

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        return bottoms[0][:1] if index == 2 else None

    def check(self, *bottoms: Shape) -> None:
        for bottom in bottoms[:2]:
            expect_rank(bottom, 1, _LEGACY_AXES)
            if any(size not in (1, None) for size in bottom[2:]):
                raise NetworkError(f"needs one vector an image, got a bottom of shape {bottom}")
        first, second = ((*bottom, 1)[1] for bottom in bottoms[:2])
        _expect_same(first, second, "channels", bottoms)
        _expect_same(bottoms[0][0], (*bottoms[2], 1)[0], "pairs", bottoms)
        _expect_one_an_image(bottoms[2], "similarity")


def labels_of(predictions: Shape, axis: int) -> Shape | None:
    """The shape of one label for each position: (N,) for vectors, (N, 1, H, W) for maps."""
    if not -len(predictions) <= axis < len(predictions):
        return None
    axis %= len(predictions)
    positions = predictions[axis + 1 :]
    if all(size == 1 for size in positions):
        return predictions[:axis]
    return (*predictions[:axis], 1, *positions)


def expect_labels(predictions: Shape, labels: Shape, axis: int) -> None:
    """Require one label for each position of predictions whose classes lie along an axis."""
    axis = canonical_axis(axis, len(predictions))
    positions = product((*predictions[:axis], *predictions[axis + 1 :]))
    count = product(labels)
    if None not in (positions, count) and positions != count:
        raise NetworkError(
            f"axis: {axis}: a bottom of shape {predictions} needs {positions} labels, the second "
            f"bottom has {count}, of shape {labels}"
        )


def _expect_same(first: int | None, second: int | None, what: str, bottoms: Shapes) -> None:
    if None not in (first, second) and first != second:
        shapes = ", ".join(map(str, bottoms))
        raise NetworkError(f"bottoms have {first} and {second} {what}; their shapes are {shapes}")


def _expect_one_an_image(labels: Shape, what: str) -> None:
    if product(labels[1:]) not in (1, None):
        raise NetworkError(f"needs one {what} an image, got a bottom of shape {labels}")
