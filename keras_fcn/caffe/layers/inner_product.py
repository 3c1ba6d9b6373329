"""InnerProduct. Source: `src/caffe/layers/inner_product_layer.cpp`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

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
    product,
)
from keras_fcn.caffe.layers.spatial import WHOLE_MAP, Spatial
from keras_fcn.caffe.records import dataclass


@caffe_layer("InnerProduct")
@dataclass(frozen=True, kw_only=True)
class InnerProduct(LayerParams):
    """`InnerProductParameter`: flattens from `axis` on, in C, H, W order."""

    message: ClassVar[str | None] = "inner_product_param"
    weight_ranks: ClassVar[tuple[int | None, ...]] = (2, 1)
    places: ClassVar[Spatial | None] = WHOLE_MAP

    num_output: int
    bias_term: bool = True
    axis: int = 1
    transpose: bool = False
    weight_filler: Filler = Filler()
    bias_filler: Filler = Filler()

    def __post_init__(self) -> None:
        if self.num_output < 1:
            raise NetworkError(f"num_output: {self.num_output} must be at least 1")

    @classmethod
    def from_blobs(cls, shapes: Sequence[tuple[int, ...]]) -> Self | None:
        if not shapes or len(shapes[0]) < 2:
            return None
        return cls(num_output=shapes[0][-2], bias_term=len(shapes) > 1)

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        return None if self.axis < len(bottoms[0]) else (None,) * (self.axis + 1)

    @property
    def flattens(self) -> bool:
        return self.axis == 1

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        axis = canonical_axis(self.axis, len(bottoms[0]))
        return ((*bottoms[0][:axis], self.num_output),)

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        axis = canonical_axis(self.axis, len(bottoms[0]))
        inputs = product(bottoms[0][axis:])
        weight: Shape = (inputs, self.num_output) if self.transpose else (self.num_output, inputs)
        return (weight, (self.num_output,)) if self.bias_term else (weight,)

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        weight = blobs[0].transpose() if self.transpose else blobs[0]
        return [layout.dense_kernel(weight, channels), *map(layout.bias, blobs[1:])]

    def caffe_blobs(self, weights: Sequence[Array], channels: int | None) -> list[Array]:
        weight = layout.dense_kernel_blob(weights[0], channels)
        return [weight.transpose() if self.transpose else weight, *weights[1:]]
