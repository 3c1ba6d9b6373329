"""Layers that move elements about and compute nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convert.errors import NetworkError
from convert.layers.base import LayerParams, Shapes, caffe_layer, canonical_axis, product


@caffe_layer("Split")
@dataclass(frozen=True)
class Split(LayerParams):
    """Every top is the bottom. Caffe inserts it by itself where a blob has several readers."""

    elementwise: ClassVar[bool] = True
    top_count: ClassVar[tuple[int, int | None]] = (1, None)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        return bottoms[:1] * tops


@caffe_layer("Flatten")
@dataclass(frozen=True, kw_only=True)
class Flatten(LayerParams):
    """``FlattenParameter``: axes ``axis`` to ``end_axis`` become one, in Caffe's order."""

    message: ClassVar[str | None] = "flatten_param"
    in_place: ClassVar[bool] = False

    axis: int = 1
    end_axis: int = -1

    @property
    def flattens(self) -> bool:
        return (self.axis, self.end_axis) == (1, -1)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        bottom = bottoms[0]
        first = canonical_axis(self.axis, len(bottom))
        last = canonical_axis(self.end_axis, len(bottom), "end_axis")
        if last < first - 1:
            raise NetworkError(f"end_axis: {self.end_axis} comes before axis: {self.axis}")
        return ((*bottom[:first], product(bottom[first : last + 1]), *bottom[last + 1 :]),)
