"""Layers that turn axes round or reorder them: Reverse, Flip, Transpose.

Sources: `src/caffe/layers/` reverse_layer.cpp and transpose_layer.cpp of tianzhi0549/CTPN,
reverse_layer.cpp of ChWick/caffe, flip_layer.cpp of happynear/caffe-windows and of
sunnyxiaohu/caffe-syn.
"""

from __future__ import annotations

from typing import ClassVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shapes, caffe_layer, canonical_axis
from keras_fcn.caffe.layers.spatial import ELEMENTWISE, FIRST, Spatial, nowhere
from keras_fcn.caffe.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Reversing(LayerParams):
    """The elements along some axes in the other order."""

    in_place: ClassVar[bool] = False

    def axes(self, rank: int) -> tuple[int, ...]:
        """Axes of the bottom that are reversed."""
        raise NotImplementedError

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        self.axes(len(bottoms[0]))
        return bottoms[:1]

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        turned = any(axis >= FIRST for axis in self.axes(len(bottoms[0])))
        return nowhere("those of the bottom turned round") if turned else ELEMENTWISE


@caffe_layer("Reverse")
@dataclass(frozen=True, kw_only=True)
class Reverse(Reversing):
    """`ReverseParameter`: one axis, in some forks several."""

    message: ClassVar[str | None] = "reverse_param"

    axis: tuple[int, ...] = (0,)

    def axes(self, rank: int) -> tuple[int, ...]:
        found = tuple(canonical_axis(axis, rank) for axis in self.axis)
        if len(set(found)) < len(found):
            raise NetworkError(f"axis: {self.axis} names an axis twice")
        return found


@caffe_layer("Flip")
@dataclass(frozen=True, kw_only=True)
class Flip(Reversing):
    """`FlipParameter`: columns, rows, or in one fork the axis that is named."""

    message: ClassVar[str | None] = "flip_param"

    flip_width: bool | None = None
    flip_height: bool | None = None
    axis: int | None = None

    def __post_init__(self) -> None:
        if self.axis is not None and (self.flip_width, self.flip_height) != (None, None):
            raise NetworkError(
                f"axis: {self.axis}: give either an axis, or flip_width and flip_height"
            )

    def axes(self, rank: int) -> tuple[int, ...]:
        if rank > 4:
            raise NetworkError(f"needs a bottom with 4 axes at most, got {rank}")
        if self.axis is not None:
            return (canonical_axis(self.axis, rank),)
        flags = {2: bool(self.flip_height), 3: self.flip_width in (True, None)}
        return tuple(axis for axis, flips in flags.items() if flips and axis < rank)


@caffe_layer("Transpose")
@dataclass(frozen=True, kw_only=True)
class Transpose(LayerParams):
    """`TransposeParameter`: for each axis of the top the bottom's axis that it is."""

    message: ClassVar[str | None] = "transpose_param"
    in_place: ClassVar[bool] = False

    dim: tuple[int, ...] = ()

    def axes(self, rank: int) -> tuple[int, ...]:
        """The order; all axes are named."""
        if sorted(self.dim) != list(range(rank)):
            raise NetworkError(f"dim: {self.dim} must name each of the bottom's {rank} axes once")
        return self.dim

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        return (tuple(bottoms[0][axis] for axis in self.axes(len(bottoms[0]))),)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        rank = len(bottoms[0])
        same = self.axes(rank) == tuple(range(rank))
        return ELEMENTWISE if same else nowhere("axes in another order")
