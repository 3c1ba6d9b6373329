"""The `BN` layers of two forks, which share a name and little else.

SegNet's has two blobs and normalizes by the batch at hand, or not at all
(alexgkendall/caffe-segnet, `src/caffe/layers/bn_layer.cpp`). PSPNet's has four: it is
batch normalization as Keras has it (hszhao/PSPNet, the same file; ICNet's is the same).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from keras_fcn.caffe.definition import LayerDefinition, single
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import layout
from keras_fcn.caffe.layers.base import (
    Array,
    Filler,
    KerasWeight,
    LayerParams,
    Shape,
    Shapes,
    caffe_layer,
    canonical_axis,
    expect_rank,
)
from keras_fcn.caffe.layers.spatial import ELEMENTWISE, WHOLE_MAP, Channels, Spatial
from keras_fcn.caffe.records import dataclass

_BLOBS = {2: "segnet", 4: "pspnet"}
_BOTH = {"scale_filler", "shift_filler"}
# The first published PSPNets call these by other names.
_OLDER = {"scale_filler": "slope_filler", "shift_filler": "bias_filler", "var_eps": "eps"}


def fork_of(layer: Any, stored: Sequence[tuple[int, ...]] | None) -> str | None:
    """The fork that a BN layer is for: told by its fields, else by the number of its blobs."""
    fields = set(layer.fields.message("bn_param")) - _BOTH
    if fields:
        return "segnet" if "bn_mode" in fields else "pspnet"
    if stored:
        return _BLOBS.get(len(stored))
    if len(layer.tops) > 1:
        return "segnet"
    return "pspnet" if len(layer.param_specs) > 2 else None


@dataclass(frozen=True, kw_only=True)
class _BN(LayerParams):
    """Blobs of four axes, all but one of size 1; told apart by `fork_of`."""

    message: ClassVar[str | None] = "bn_param"
    elementwise: ClassVar[bool] = True
    fork: ClassVar[str]
    names: ClassVar[tuple[str, ...]]
    """Keras' names of the weights."""

    @classmethod
    def recognizes(
        cls, layer: LayerDefinition, stored: Sequence[tuple[int, ...]] | None
    ) -> bool | None:
        fork = fork_of(layer, stored)
        return None if fork is None else fork == cls.fork

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        return [layout.one_axis(name, blob) for name, blob in zip(self.names, blobs, strict=True)]

    def caffe_blobs(self, weights: Sequence[Array], channels: int | None) -> list[Array]:
        return [layout.one_axis_blob(weight, self._channel_axis) for weight in weights]

    @property
    def _channel_axis(self) -> int:
        return 1

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        shape: list[int | None] = [1] * 4
        shape[self._channel_axis] = bottoms[0][self._channel_axis]
        return (tuple(shape),) * len(self.names)

    @property
    def channels(self) -> Channels | None:
        return Channels.ALONG if self._channel_axis == 1 else None


@caffe_layer("BN", dialect="segnet")
@dataclass(frozen=True, kw_only=True)
class SegNetBN(_BN):
    """`BNParameter`: scale * x + shift of each channel, x being normalized with `LEARN`.

    The mean and variance are those of the batch, when tested too; a second and third top
    give them.
    """

    fork: ClassVar[str] = "segnet"
    always: ClassVar[frozenset[str]] = frozenset({"bn_mode"})
    names: ClassVar[tuple[str, ...]] = ("scale", "shift")
    weight_ranks: ClassVar[tuple[int | None, ...]] = (4, 4)
    top_count: ClassVar[tuple[int, int | None]] = (1, 3)

    bn_mode: str = "LEARN"
    scale_filler: Filler = Filler()
    shift_filler: Filler = Filler()

    def fillers(self) -> tuple[Filler, ...]:
        return (self.scale_filler, self.shift_filler)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        expect_rank(bottoms[0], 4)
        if tops > 1 and self.bn_mode != "LEARN":
            raise NetworkError(
                f"has {tops} tops, but bn_mode: {self.bn_mode} gives no mean and variance, "
                "only LEARN"
            )
        statistic: Shape = (1, bottoms[0][1], 1, 1)
        return (bottoms[0], statistic, statistic)[:tops]

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        """With `LEARN` the mean and variance are those of all of the map."""
        return WHOLE_MAP if self.bn_mode == "LEARN" else ELEMENTWISE


@caffe_layer("BN", dialect="pspnet")
@dataclass(frozen=True, kw_only=True)
class PSPNetBN(_BN):
    """`BNParameter`: slope * (x - mean) / sqrt(variance + eps) + bias of each channel.

    The first published form has `scale_filler`, `shift_filler`, `var_eps` and
    `decay`, which is 1 - `momentum`.

    Attributes:
        slope_filler: fills the first blob.
        bias_filler: fills the second blob.
        momentum: what remains of the stored mean and variance at each pass.
        eps: added to the variance.
        frozen: use the stored mean and variance when trained too, and train nothing.
        axis: the channels' axis, 1 or 2.
    """

    fork: ClassVar[str] = "pspnet"
    restriction: ClassVar[str] = "`moving_average: false` is refused"
    always: ClassVar[frozenset[str]] = frozenset({"frozen"})
    names: ClassVar[tuple[str, ...]] = ("gamma", "beta", "moving_mean", "moving_variance")
    weight_ranks: ClassVar[tuple[int | None, ...]] = (4,) * 4
    without_effect: ClassVar[frozenset[str]] = frozenset({"engine"})

    slope_filler: Filler = Filler()
    bias_filler: Filler = Filler()
    momentum: float = 0.9
    eps: float = 1e-5
    frozen: bool = False
    axis: int = 1

    def __post_init__(self) -> None:
        if self.axis not in (1, 2):
            raise NetworkError(f"axis: {self.axis} must be 1 or 2")

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        given = layer.fields.message("bn_param")
        if not given.get("moving_average", True):
            raise NetworkError(
                "moving_average: false, normalizing by the batch when tested, is not supported"
            )
        fields = given.without(*_OLDER, "decay", "moving_average")
        renamed = {name: given[older] for older, name in _OLDER.items() if older in given}
        if "decay" in given:
            renamed["momentum"] = single(1 - given["decay"])
        return cls(**cls.values(fields.with_(**renamed)))

    @property
    def _channel_axis(self) -> int:
        return self.axis

    def fillers(self) -> tuple[Filler, ...]:
        variance = Filler(value=1.0 if self.frozen else 0.0)
        return (self.slope_filler, self.bias_filler, Filler(), variance)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        expect_rank(bottoms[0], 2, 4)
        canonical_axis(self.axis, len(bottoms[0]))
        return bottoms[:1]
