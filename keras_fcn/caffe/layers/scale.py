"""Scale and Bias. Source: `src/caffe/layers/scale_layer.cpp`, `bias_layer.cpp`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import (
    Array,
    Filler,
    KerasWeight,
    LayerParams,
    Shape,
    Shapes,
    caffe_layer,
    canonical_axis,
)
from keras_fcn.caffe.layers.spatial import ELEMENTWISE, IN_PLACE, WHOLE, Channels, Spatial
from keras_fcn.caffe.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Broadcast(LayerParams):
    """An operand laid along some axes of the first bottom: learned, or the second bottom.

    Attributes:
        axis: the first of these axes; of no effect for an operand without axes.
        num_axes: how many axes a learned operand has; -1: all from `axis` on.
    """

    elementwise: ClassVar[bool] = True
    bottom_count: ClassVar[tuple[int, int | None]] = (1, 2)

    axis: int = 1
    num_axes: int = 1

    def __post_init__(self) -> None:
        if self.num_axes < -1:
            raise NetworkError(f"num_axes: {self.num_axes} must be -1 or more")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        operand = self.operand_shape(bottoms)
        first = canonical_axis(self.axis, len(bottoms[0])) if operand else 0
        along = bottoms[0][first : first + len(operand)]
        if len(along) != len(operand) or any(
            None not in sizes and sizes[0] != sizes[1] for sizes in zip(along, operand, strict=True)
        ):
            raise NetworkError(
                f"axis: {self.axis}: an operand of shape {operand} does not fit along the axes "
                f"from {first} on of a bottom of shape {bottoms[0]}"
            )
        return bottoms[:1]

    def operand_shape(self, bottoms: Shapes) -> Shape:
        """Shape of the operand in Caffe's axis order."""
        if len(bottoms) == 2:
            return bottoms[1]
        rank = len(bottoms[0])
        first = canonical_axis(self.axis, rank)
        last = rank if self.num_axes == -1 else first + self.num_axes
        if last > rank:
            raise NetworkError(
                f"num_axes: {self.num_axes} from axis {first} on are more than {bottoms[0]} has"
            )
        return bottoms[0][first:last]

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        if len(bottoms) < 2:
            return ELEMENTWISE
        aligned = len(bottoms[1]) == len(bottoms[0])
        return ELEMENTWISE if aligned else Spatial(((IN_PLACE,), (WHOLE,)))

    @property
    def channels(self) -> Channels | None:
        return None


@caffe_layer("Scale")
@dataclass(frozen=True, kw_only=True)
class Scale(Broadcast):
    """`ScaleParameter`: x * scale, and + bias with `bias_term`."""

    message: ClassVar[str | None] = "scale_param"
    weight_ranks: ClassVar[tuple[int | None, ...]] = (None, None)
    learned: ClassVar[bool] = True
    """Whether the scale is a parameter."""

    filler: Filler = Filler(value=1.0)
    bias_term: bool = False
    bias_filler: Filler = Filler()

    @classmethod
    def variant(cls, layer: LayerDefinition) -> type[Scale]:
        return cls if len(layer.bottoms) < 2 else ScaleByBottom

    @property
    def weights(self) -> dict[str, Filler]:
        """Name and filler of each parameter blob."""
        every = (("scale", self.filler, self.learned), ("bias", self.bias_filler, self.bias_term))
        return {name: filler for name, filler, there in every if there}

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        return (self.operand_shape(bottoms),) * len(self.weights)

    def fillers(self) -> tuple[Filler, ...]:
        return tuple(self.weights.values())

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        named = zip(self.weights, blobs, strict=True)
        return [KerasWeight(name, blob.shape, blob) for name, blob in named]


@dataclass(frozen=True, kw_only=True)
class ScaleByBottom(Scale):
    """A Scale whose scale is the second bottom; what it learns is the bias at most."""

    learned: ClassVar[bool] = False


@caffe_layer("Bias")
@dataclass(frozen=True, kw_only=True)
class Bias(Broadcast):
    """`BiasParameter`: x + bias."""

    message: ClassVar[str | None] = "bias_param"
    weight_ranks: ClassVar[tuple[int | None, ...]] = (None,)

    filler: Filler = Filler()

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        return (self.operand_shape(bottoms),) if len(bottoms) == 1 else ()

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        return [KerasWeight("bias", blob.shape, blob) for blob in blobs]
