"""Layers that join, cut and repeat blobs along an axis.

Source: `src/caffe/layers/concat_layer.cpp`, `slice_layer.cpp`, `tile_layer.cpp`.
"""

from __future__ import annotations

from typing import ClassVar, Self

from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shape, Shapes, caffe_layer, canonical_axis
from keras_fcn.caffe.layers.spatial import ELEMENTWISE, FIRST, Spatial, Windows, along, nowhere
from keras_fcn.caffe.records import dataclass


@dataclass(frozen=True, kw_only=True)
class _AlongAxis(LayerParams):
    """Works along `axis`, which has an older name that takes no negative numbers."""

    old_axis: ClassVar[str]

    axis: int = 1

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        fields = layer.fields.message(str(cls.message))
        if cls.old_axis in fields:
            if "axis" in fields:
                raise NetworkError(f"give either 'axis' or {cls.old_axis!r}, not both")
            axis = fields[cls.old_axis]
            if axis >= 1 << 31:
                raise NetworkError(f"{cls.old_axis}: {axis} is outside any blob")
            fields = fields.without(cls.old_axis).with_(axis=axis)
        return cls(**cls.values(fields))


@caffe_layer("Concat")
@dataclass(frozen=True, kw_only=True)
class Concat(_AlongAxis):
    """`ConcatParameter`: the bottoms one after the other along `axis`."""

    message: ClassVar[str | None] = "concat_param"
    old_axis: ClassVar[str] = "concat_dim"
    bottom_count: ClassVar[tuple[int, int | None]] = (1, None)

    def shares_memory(self, bottoms: Shapes, tops: int) -> bool:
        return len(bottoms) == 1

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        axis = canonical_axis(self.axis, len(bottoms[0]))
        if len({len(bottom) for bottom in bottoms}) > 1:
            raise NetworkError(f"needs bottoms with as many axes each, got {_listed(bottoms)}")
        top: list[int | None] = []
        for index, sizes in enumerate(zip(*bottoms, strict=True)):
            known = [size for size in sizes if size is not None]
            if index == axis:
                top.append(sum(known) if len(known) == len(sizes) else None)
            elif len(set(known)) > 1:
                raise NetworkError(
                    f"axis: {self.axis}: bottoms must agree on all other axes, got "
                    f"{_listed(bottoms)}"
                )
            else:
                top.append(known[0] if known else None)
        return (tuple(top),)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        axis = canonical_axis(self.axis, len(bottoms[0]))
        side_by_side = axis >= FIRST and len(bottoms) > 1
        return nowhere("those of several bottoms side by side") if side_by_side else ELEMENTWISE


@caffe_layer("Slice")
@dataclass(frozen=True, kw_only=True)
class Slice(_AlongAxis):
    """`SliceParameter`: cut along `axis` at the `slice_point`, or into equal parts."""

    message: ClassVar[str | None] = "slice_param"
    old_axis: ClassVar[str] = "slice_dim"
    top_count: ClassVar[tuple[int, int | None]] = (1, None)

    slice_point: tuple[int, ...] = ()

    def shares_memory(self, bottoms: Shapes, tops: int) -> bool:
        return tops == 1

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        return None if self.axis < len(bottoms[0]) else (None,) * (self.axis + 1)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        bottom = bottoms[0]
        axis = canonical_axis(self.axis, len(bottom))
        return tuple(
            (*bottom[:axis], size, *bottom[axis + 1 :]) for size in self._sizes(bottom[axis], tops)
        )

    def _sizes(self, size: int | None, tops: int) -> Shape:
        if not self.slice_point:
            if size is None:
                return (None,) * tops
            if size % tops:
                raise NetworkError(
                    f"axis: {self.axis}: a size of {size} cannot be cut into {tops} equal tops"
                )
            return (size // tops,) * tops
        if len(self.slice_point) != tops - 1:
            raise NetworkError(
                f"slice_point: {self.slice_point} must have {tops - 1} places for {tops} tops"
            )
        starts = (0, *self.slice_point)
        first = [end - start for start, end in zip(starts, self.slice_point, strict=False)]
        last = None if size is None else size - starts[-1]
        if min(first) < 1 or (last is not None and last < 0) or (size is not None and tops > size):
            raise NetworkError(
                f"slice_point: {self.slice_point} must increase from 1 on within a size of {size}"
            )
        return (*first, last)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        rank = len(bottoms[0])
        axis = canonical_axis(self.axis, rank)
        if axis < FIRST or top == 0:
            return ELEMENTWISE
        size = bottoms[0][axis]
        if not self.slice_point and size is None:
            return nowhere("a part of the bottom whose place depends on the size")
        starts = self.slice_point or [(size or 0) // tops * part for part in range(1, tops)]
        return Spatial((along(axis, rank, Windows(before=-starts[top - 1])),))


@caffe_layer("Tile")
@dataclass(frozen=True, kw_only=True)
class Tile(LayerParams):
    """`TileParameter`: the bottom `tiles` times along `axis`."""

    message: ClassVar[str | None] = "tile_param"

    axis: int = 1
    tiles: int

    def __post_init__(self) -> None:
        if self.tiles < 0:
            raise NetworkError(f"tiles: {self.tiles} must not be negative")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        bottom = bottoms[0]
        axis = canonical_axis(self.axis, len(bottom))
        size = bottom[axis]
        tiled = None if size is None else size * self.tiles
        return ((*bottom[:axis], tiled, *bottom[axis + 1 :]),)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        axis = canonical_axis(self.axis, len(bottoms[0]))
        repeats = axis >= FIRST and self.tiles != 1
        return nowhere("those of the bottom again and again") if repeats else ELEMENTWISE


def _listed(shapes: Shapes) -> str:
    return ", ".join(map(str, shapes))
