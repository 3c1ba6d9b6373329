"""Normalization layers. Source: ``src/caffe/layers/`` lrn, mvn and batch_norm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from convert.errors import NetworkError
from convert.layers import layout
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

_STATISTICS = 3
_TEST = 1  # Phase


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


@caffe_layer("MVN")
@dataclass(frozen=True, kw_only=True)
class MVN(LayerParams):
    """``MVNParameter``: to mean 0 and, with ``normalize_variance``, deviation 1."""

    message: ClassVar[str | None] = "mvn_param"

    normalize_variance: bool = True
    across_channels: bool = False
    eps: float = 1e-9

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        """The top has four axes whatever the bottom has: missing ones are 1."""
        expect_rank(bottoms[0], 0, 4)
        return ((*bottoms[0], 1, 1, 1, 1)[:4],)


@caffe_layer("GRN")
@dataclass(frozen=True, kw_only=True)
class GRN(LayerParams):
    """``GRNParameter``: x / sqrt(sum of squares over channels + bias), at each place.

    With ``dummy_backward`` the gradient passes as it comes. Source:
    ``src/caffe/layers/grn_layer.cpp`` of openvinotoolkit/training_toolbox_caffe.
    """

    message: ClassVar[str | None] = "grn_param"

    bias: float = 1e-7
    dummy_backward: bool = False

    def __post_init__(self) -> None:
        if self.bias < 0:
            raise NetworkError(f"bias: {self.bias} must not be negative")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        expect_rank(bottoms[0], 2, 4)
        return bottoms[:1]


@caffe_layer("BatchNorm")
@dataclass(frozen=True, kw_only=True)
class BatchNorm(LayerParams):
    """``BatchNormParameter``: (x - mean) / sqrt(variance + eps) of each channel.

    Attributes:
        use_global_stats: whether mean and variance are the stored ones; None: when
            tested, while those of the batch are used when trained. The layer's own
            ``phase`` decides where it is given.
        moving_average_fraction: what remains of the stored statistics at each pass.
        eps: added to the variance.
    """

    message: ClassVar[str | None] = "batch_norm_param"
    elementwise: ClassVar[bool] = True
    weight_ranks: ClassVar[tuple[int | None, ...]] = (1,) * _STATISTICS

    use_global_stats: bool | None = None
    moving_average_fraction: float = 0.999
    eps: float = 1e-5

    @classmethod
    def read(cls, layer: Any) -> Self:
        for spec in layer.param[:_STATISTICS]:
            rate = spec.lr_mult if spec.HasField("lr_mult") else 1.0
            if rate != 0:
                raise NetworkError(
                    f"param lr_mult: {rate:g} must be 0, the statistics are not trained"
                )
        values = cls.values(layer.batch_norm_param)
        if layer.HasField("phase"):
            values.setdefault("use_global_stats", layer.phase == _TEST)
        return cls(**values)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        canonical_axis(1, len(bottoms[0]))
        return bottoms[:1]

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        channels = bottoms[0][1:2]
        return (channels, channels, (1,))

    def fillers(self) -> tuple[Filler, ...]:
        return (Filler(),) * _STATISTICS

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        mean, variance, factor = blobs
        return layout.statistics(mean, variance, factor)

    def caffe_blobs(self, weights: Sequence[Array], channels: int | None) -> list[Array]:
        return layout.statistics_blobs(*weights)
