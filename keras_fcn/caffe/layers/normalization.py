"""Normalization layers. Source: `src/caffe/layers/` lrn, mvn and batch_norm."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from keras_fcn.caffe.definition import Fields, LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import layout
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
from keras_fcn.caffe.layers.spatial import ELEMENTWISE, WHOLE_MAP, Channels, Spatial, Windows
from keras_fcn.caffe.records import dataclass

_STATISTICS = 3
_SCALES = ("scale_bias", "use_weight_bias")
_AFFINE = ("scale_filler", "filler", "bias_filler", "shift_filler", "bias_term")
_INTEL = {"scale_filler": "filler", "bias_filler": "shift_filler"}
_LEAST_EPS = 1e-5


@caffe_layer("LRN")
@dataclass(frozen=True, kw_only=True)
class LRN(LayerParams):
    """`LRNParameter`: local response normalization."""

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

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        if self.norm_region == "ACROSS_CHANNELS":
            return ELEMENTWISE
        return Spatial(((Windows(self.local_size, before=self.local_size // 2),),))


@caffe_layer("MVN")
@dataclass(frozen=True, kw_only=True)
class MVN(LayerParams):
    """`MVNParameter`: to mean 0 and, with `normalize_variance`, deviation 1."""

    message: ClassVar[str | None] = "mvn_param"
    places: ClassVar[Spatial | None] = WHOLE_MAP

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
    """`GRNParameter`: x / sqrt(sum of squares over channels + bias), at each place.

    With `dummy_backward` the gradient passes as it comes. Source:
    `src/caffe/layers/grn_layer.cpp` of openvinotoolkit/training_toolbox_caffe.
    """

    message: ClassVar[str | None] = "grn_param"
    places: ClassVar[Spatial | None] = ELEMENTWISE

    bias: float = 1e-7
    dummy_backward: bool = False

    def __post_init__(self) -> None:
        if self.bias < 0:
            raise NetworkError(f"bias: {self.bias} must not be negative")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        expect_rank(bottoms[0], 2, 4)
        return bottoms[:1]

    @property
    def channels(self) -> Channels | None:
        return Channels.ALONG


@caffe_layer("BatchNorm")
@dataclass(frozen=True, kw_only=True)
class BatchNorm(LayerParams):
    """`BatchNormParameter`: (x - mean) / sqrt(variance + eps) of each channel.

    Attributes:
        use_global_stats: whether mean and variance are the stored ones; None: when
            tested, while those of the batch are used when trained. The layer's own
            `phase` decides where it is given.
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
    def variant(cls, layer: LayerDefinition) -> type[BatchNorm]:
        given = layer.fields.message("batch_norm_param")
        asked = any(given.get(name) for name in _SCALES) or any(name in given for name in _AFFINE)
        return ScaledBatchNorm if asked and given.get("use_weight_bias", True) else cls

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        given = layer.fields.message("batch_norm_param")
        return cls(**cls.common(layer, given.without(*_SCALES, *_AFFINE)))

    @classmethod
    def common(
        cls, layer: LayerDefinition, fields: Fields, *, masks_rates: bool = False
    ) -> dict[str, Any]:
        """The values of a layer's message, and what its phase says.

        Args:
            layer: the layer.
            fields: its parameters.
            masks_rates: the statistics are not trained, whatever the layer says.
        """
        for spec in () if masks_rates else layer.param_specs[:_STATISTICS]:
            if spec.lr_mult != 0:
                raise NetworkError(
                    f"param lr_mult: {spec.lr_mult:g} must be 0, the statistics are not trained"
                )
        values = cls.values(fields)
        if layer.phase is not None:
            values.setdefault("use_global_stats", layer.phase == "TEST")
        return values

    def with_stored(self, stored: Sequence[tuple[int, ...]]) -> LayerParams:
        """With more blobs than the statistics, the layer scales too."""
        if type(self) is not BatchNorm or len(stored) not in (4, 5) or math.prod(stored[2]) != 1:
            return self
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return ScaledBatchNorm(**own, bias_term=len(stored) == 5)

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

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        """With the statistics of the batch each position sees all of the map."""
        return WHOLE_MAP if self.use_global_stats is False else ELEMENTWISE

    @property
    def channels(self) -> Channels | None:
        return Channels.ALONG


@dataclass(frozen=True, kw_only=True)
class ScaledBatchNorm(BatchNorm):
    """`BatchNormParameter` of NVIDIA's and Intel's Caffe: a scale and a bias follow.

    They are the fourth and the fifth blob. NVIDIA's `scale_bias` asks for them, and so do
    `scale_filler` and `bias_filler`, Intel's `use_weight_bias`, `filler` and
    `bias_filler`, or a weights file that holds them. Sources: `batch_norm_layer.cpp` of
    NVIDIA/caffe, 0.17, and `mkldnn_batch_norm_layer.cpp` of intel/caffe.

    Attributes:
        bias_term: whether there is a bias too.
        scale_filler: fills the scale.
        bias_filler: fills the bias.
        nvidia: whether it is NVIDIA's, else Intel's.
    """

    weight_ranks: ClassVar[tuple[int | None, ...]] = (1,) * (_STATISTICS + 2)

    bias_term: bool = True
    scale_filler: Filler = Filler(value=1.0)
    bias_filler: Filler = Filler()
    nvidia: bool = False

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        given = layer.fields.message("batch_norm_param")
        nvidia = bool(given.get("scale_bias") or "scale_filler" in given)
        fields = given.without(*_SCALES, *_INTEL.values())
        renamed = {name: given[other] for name, other in _INTEL.items() if other in given}
        values = cls.common(layer, fields.with_(**renamed), masks_rates=nvidia)
        if nvidia and values.get("eps", _LEAST_EPS) < _LEAST_EPS:
            values["eps"] = _LEAST_EPS  # cuDNN's least, which NVIDIA's code keeps to
        return cls(**values, nvidia=nvidia)

    def write(self) -> Fields:
        fields = super().write().message("batch_norm_param")
        if self.nvidia:
            return fields.with_(scale_bias=True).within("batch_norm_param")
        if "scale_filler" in fields:
            fields = fields.with_(filler=fields["scale_filler"]).without("scale_filler")
        return fields.with_(use_weight_bias=True).within("batch_norm_param")

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        channels = bottoms[0][1:2]
        return (*super().weight_shapes(bottoms), *(channels,) * (1 + self.bias_term))

    def fillers(self) -> tuple[Filler, ...]:
        affine = (self.scale_filler, self.bias_filler)
        return (*super().fillers(), *affine[: 1 + self.bias_term])

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        affine = zip(("gamma", "beta"), blobs[_STATISTICS:], strict=False)
        return [
            *(KerasWeight(name, blob.shape, blob) for name, blob in affine),
            *super().keras_weights(blobs[:_STATISTICS], channels),
        ]

    def caffe_blobs(self, weights: Sequence[Array], channels: int | None) -> list[Array]:
        affine = 1 + self.bias_term
        return [*super().caffe_blobs(weights[affine:], channels), *weights[:affine]]
