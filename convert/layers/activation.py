"""Layers that work on each element, or pass it on, and keep the shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convert.errors import NetworkError
from convert.layers.base import LayerParams, Shapes, caffe_layer, canonical_axis


@caffe_layer("ReLU")
@dataclass(frozen=True, kw_only=True)
class ReLU(LayerParams):
    """``ReLUParameter``: max(x, 0) + negative_slope * min(x, 0)."""

    message: ClassVar[str | None] = "relu_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"engine"})
    elementwise: ClassVar[bool] = True

    negative_slope: float = 0.0


@caffe_layer("Dropout")
@dataclass(frozen=True, kw_only=True)
class Dropout(LayerParams):
    """``DropoutParameter``: the identity when tested; scaled when trained."""

    message: ClassVar[str | None] = "dropout_param"
    elementwise: ClassVar[bool] = True

    dropout_ratio: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.dropout_ratio < 1:
            raise NetworkError(f"dropout_ratio: {self.dropout_ratio} must be in [0, 1)")


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
