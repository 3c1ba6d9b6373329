"""Normalization layers. Source: ``src/caffe/layers/lrn_layer.cpp``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convert.errors import NetworkError
from convert.layers.base import LayerParams, Shapes, caffe_layer, expect_rank


@caffe_layer("LRN")
@dataclass(frozen=True, kw_only=True)
class LRN(LayerParams):
    """``LRNParameter``: local response normalization."""

    message: ClassVar[str | None] = "lrn_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"engine"})

    local_size: int = 5
    alpha: float = 1.0
    beta: float = 0.75
    k: float = 1.0
    norm_region: str = "ACROSS_CHANNELS"

    def __post_init__(self) -> None:
        if self.local_size % 2 == 0:
            raise NetworkError(f"local_size: {self.local_size} must be odd")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        expect_rank(bottoms[0], 4)
        return bottoms[:1]
