"""Layers that keep a few numbers of many: Reduction and ArgMax.

Source: `src/caffe/layers/reduction_layer.cpp`, `argmax_layer.cpp`.
"""

from __future__ import annotations

from typing import ClassVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shapes, caffe_layer, canonical_axis, product
from keras_fcn.caffe.layers.spatial import WHOLE_MAP, Spatial, whole_along
from keras_fcn.caffe.records import dataclass


@caffe_layer("Reduction")
@dataclass(frozen=True, kw_only=True)
class Reduction(LayerParams):
    """`ReductionParameter`: one number for all axes from `axis` on, times `coeff`."""

    message: ClassVar[str | None] = "reduction_param"
    places: ClassVar[Spatial | None] = WHOLE_MAP

    operation: str = "SUM"
    axis: int = 0
    coeff: float = 1.0

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        return (bottoms[0][: canonical_axis(self.axis, len(bottoms[0]))],)


@caffe_layer("ArgMax")
@dataclass(frozen=True, kw_only=True)
class ArgMax(LayerParams):
    """`ArgMaxParameter`: indices, or values, of the `top_k` largest elements.

    Along `axis` the top has positions, or values with `out_max_val`; without an axis
    it is (N, 1, top_k, 1, ...) over all elements of an image, and with `out_max_val`
    (N, 2, top_k, 1, ...): positions, then values.
    """

    stops_gradient: ClassVar[tuple[int, ...] | None] = None
    has_gradient: ClassVar[bool] = False
    message: ClassVar[str | None] = "argmax_param"

    out_max_val: bool = False
    top_k: int = 1
    axis: int | None = None

    def __post_init__(self) -> None:
        if self.top_k < 1:
            raise NetworkError(f"top_k: {self.top_k} must be at least 1")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        bottom = bottoms[0]
        if self.axis is None:
            canonical_axis(0, len(bottom))
            of = product(bottom[1:])
            ones = (1,) * (len(bottom) - 3)
            top = (bottom[0], 2 if self.out_max_val else 1, self.top_k, *ones)
        else:
            axis = canonical_axis(self.axis, len(bottom))
            of = bottom[axis]
            top = (*bottom[:axis], self.top_k, *bottom[axis + 1 :])
        if of is not None and self.top_k > of:
            raise NetworkError(f"top_k: {self.top_k} is more than the {of} elements there are")
        return (top,)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        if self.axis is None:
            return WHOLE_MAP
        rank = len(bottoms[0])
        return whole_along(canonical_axis(self.axis, rank), rank)
