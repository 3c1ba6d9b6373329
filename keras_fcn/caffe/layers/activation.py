"""Activations with more to them than a function of each element."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import (
    Array,
    Filler,
    KerasWeight,
    LayerParams,
    Shapes,
    caffe_layer,
    canonical_axis,
    expect_rank,
)
from keras_fcn.caffe.layers.elementwise import Elementwise
from keras_fcn.caffe.layers.spatial import Channels, Spatial, whole_along
from keras_fcn.caffe.limits import MAX_AXES
from keras_fcn.caffe.records import dataclass


@caffe_layer("Dropout")
@dataclass(frozen=True, kw_only=True)
class Dropout(LayerParams):
    """`DropoutParameter`: the identity when tested; scaled when trained.

    With `sample_weights_test` it drops when tested too. Source of that:
    `src/caffe/layers/dropout_layer.cpp` of alexgkendall/caffe-segnet, for Bayesian SegNet.
    """

    message: ClassVar[str | None] = "dropout_param"
    elementwise: ClassVar[bool] = True

    dropout_ratio: float = 0.5
    sample_weights_test: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.dropout_ratio < 1:
            raise NetworkError(f"dropout_ratio: {self.dropout_ratio} must be in [0, 1)")


@caffe_layer("Insanity")
@dataclass(frozen=True, kw_only=True)
class Insanity(Elementwise):
    """`InsanityParameter`: max(x, 0) + min(x, 0) / a, the randomized leaky ReLU.

    When trained each element's `a` is drawn evenly between `lb` and `ub`; when tested
    it is their logarithmic mean. Source: `src/caffe/layers/insanity_layer.cpp` of
    happynear/caffe-windows.
    """

    message: ClassVar[str | None] = "insanity_param"

    lb: float = 5.0
    ub: float = 10.0

    def __post_init__(self) -> None:
        if not self.lb < self.ub or self.lb * self.ub == 0 or self.lb == -self.ub:
            raise NetworkError(
                f"lb: {self.lb} must be below ub: {self.ub}, neither 0, nor one minus the other"
            )

    @property
    def mean(self) -> float:
        """The `a` of a tested network."""
        return (self.ub - self.lb) / (math.log(abs(self.ub)) - math.log(abs(self.lb)))

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        canonical_axis(1, len(bottoms[0]))
        return bottoms[:1]


@caffe_layer("PReLU")
@dataclass(frozen=True, kw_only=True)
class PReLU(Elementwise):
    """`PReLUParameter`: max(x, 0) + slope * min(x, 0), a slope learned for each channel."""

    message: ClassVar[str | None] = "prelu_param"
    weight_ranks: ClassVar[tuple[int | None, ...]] = (None,)

    filler: Filler = Filler(value=0.25)
    channel_shared: bool = False

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        expect_rank(bottoms[0], 2, MAX_AXES)
        return bottoms[:1]

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        return ((),) if self.channel_shared else (bottoms[0][1:2],)

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        return [KerasWeight("alpha", blobs[0].shape, blobs[0])]

    @property
    def channels(self) -> Channels | None:
        return Channels.EACH if self.channel_shared else Channels.ALONG


@caffe_layer("ReLU")
@dataclass(frozen=True, kw_only=True)
class ReLU(Elementwise):
    """`ReLUParameter`: max(x, 0) + negative_slope * min(x, 0)."""

    message: ClassVar[str | None] = "relu_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"engine"})

    negative_slope: float = 0.0


@caffe_layer("Softmax")
@dataclass(frozen=True, kw_only=True)
class Softmax(LayerParams):
    """`SoftmaxParameter`: softmax along `axis`."""

    message: ClassVar[str | None] = "softmax_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"engine"})

    axis: int = 1

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        canonical_axis(self.axis, len(bottoms[0]))
        return bottoms[:1]

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        rank = len(bottoms[0])
        return whole_along(canonical_axis(self.axis, rank), rank)
