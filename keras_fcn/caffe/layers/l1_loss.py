"""L1Loss of NVIDIA's Caffe and of FlowNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import Shape, Shapes, caffe_layer, expect_rank, product
from keras_fcn.caffe.layers.loss import Loss
from keras_fcn.caffe.records import dataclass

_LEGACY_AXES = 4


@caffe_layer("L1Loss", dialect="nvidia")
@dataclass(frozen=True, kw_only=True)
class L1Loss(Loss):
    """Sum of the magnitudes of the differences over the number of images.

    Source: github.com/NVIDIA/caffe, `src/caffe/layers/l1_loss_layer.cpp`.
    """

    @classmethod
    def recognizes(
        cls, layer: LayerDefinition, stored: Sequence[tuple[int, ...]] | None
    ) -> bool | None:
        return False if "l1_loss_param" in layer.fields or len(layer.bottoms) == 1 else None

    def check(self, *bottoms: Shape) -> None:
        first, second = (product(bottom[1:]) for bottom in bottoms)
        if None not in (first, second) and first != second:
            raise NetworkError(f"bottoms must have as many elements an image, got {bottoms}")


@caffe_layer("L1Loss", dialect="flownet")
@dataclass(frozen=True, kw_only=True)
class FlowL1Loss(Loss):
    """`L1LossParameter`: magnitudes, or lengths; what is no number does not count.

    One bottom holds the differences, two are subtracted.

    Source: github.com/lmb-freiburg/flownet2, `src/caffe/layers/l1loss_layer.cu`.

    Attributes:
        l2_per_location: the lengths of the differences at each place, over channels.
        l2_prescale_by_channels: their squares are divided by the number of channels.
        normalize_by_num_entries: divide by how many count, over the number of channels,
            else by the number of images.
        epsilon: added to squared lengths.
        plateau: shorter differences count as 0.
    """

    messages: ClassVar[tuple[str, ...]] = ("l1_loss_param",)
    telling: ClassVar[str | None] = "l1_loss_param"
    bottom_count: ClassVar[tuple[int, int | None]] = (1, 2)

    l2_per_location: bool = False
    l2_prescale_by_channels: bool = False
    normalize_by_num_entries: bool = False
    epsilon: float = 1e-2
    plateau: float = 0.0

    @classmethod
    def recognizes(
        cls, layer: LayerDefinition, stored: Sequence[tuple[int, ...]] | None
    ) -> bool | None:
        return True if "l1_loss_param" in layer.fields or len(layer.bottoms) == 1 else None

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        expect_rank(bottoms[0], 1, _LEGACY_AXES)
        first, second = bottoms[0], bottoms[-1]
        pairs = zip(first, second, strict=False)
        if len(first) != len(second) or any(None not in p and p[0] != p[1] for p in pairs):
            raise NetworkError(f"bottoms must have the same shape, got {first} and {second}")
        return ((),)
