"""Activations with more to them than a function of each element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from convert.errors import NetworkError
from convert.layers.base import (
    Array,
    Filler,
    KerasWeight,
    LayerParams,
    Shapes,
    caffe_layer,
    canonical_axis,
    expect_rank,
)
from convert.layers.elementwise import Elementwise


@caffe_layer("Dropout")
@dataclass(frozen=True, kw_only=True)
class Dropout(LayerParams):
    """``DropoutParameter``: the identity when tested; scaled when trained.

    With ``sample_weights_test`` it drops when tested too. Source of that:
    ``src/caffe/layers/dropout_layer.cpp`` of alexgkendall/caffe-segnet, for Bayesian SegNet.
    """

    message: ClassVar[str | None] = "dropout_param"
    elementwise: ClassVar[bool] = True

    dropout_ratio: float = 0.5
    sample_weights_test: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.dropout_ratio < 1:
            raise NetworkError(f"dropout_ratio: {self.dropout_ratio} must be in [0, 1)")


@caffe_layer("PReLU")
@dataclass(frozen=True, kw_only=True)
class PReLU(Elementwise):
    """``PReLUParameter``: max(x, 0) + slope * min(x, 0), a slope learned for each channel."""

    message: ClassVar[str | None] = "prelu_param"
    weight_ranks: ClassVar[tuple[int | None, ...]] = (None,)

    filler: Filler = Filler(value=0.25)
    channel_shared: bool = False

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        expect_rank(bottoms[0], 2, 4)
        return bottoms[:1]

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        return ((),) if self.channel_shared else (bottoms[0][1:2],)

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        return [KerasWeight("alpha", blobs[0].shape, blobs[0])]


@caffe_layer("ReLU")
@dataclass(frozen=True, kw_only=True)
class ReLU(Elementwise):
    """``ReLUParameter``: max(x, 0) + negative_slope * min(x, 0)."""

    message: ClassVar[str | None] = "relu_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"engine"})

    negative_slope: float = 0.0


@caffe_layer("Softmax")
@dataclass(frozen=True, kw_only=True)
class Softmax(LayerParams):
    """``SoftmaxParameter``: softmax along ``axis``."""

    message: ClassVar[str | None] = "softmax_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"engine"})

    axis: int = 1

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        canonical_axis(self.axis, len(bottoms[0]))
        return bottoms[:1]
