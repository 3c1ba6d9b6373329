"""Layers that give a blob another shape, hand it on, or swallow it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import (
    LayerParams,
    Shape,
    Shapes,
    caffe_layer,
    canonical_axis,
    expect_rank,
    product,
)
from keras_fcn.caffe.layers.spatial import (
    ELEMENTWISE,
    FIRST,
    SOURCE,
    WHOLE_MAP,
    Spatial,
    Spread,
    nowhere,
)
from keras_fcn.caffe.limits import MAX_AXES
from keras_fcn.caffe.records import dataclass


@caffe_layer("Split")
@dataclass(frozen=True)
class Split(LayerParams):
    """Every top is the bottom. Caffe inserts it by itself where a blob has several readers."""

    elementwise: ClassVar[bool] = True
    top_count: ClassVar[tuple[int, int | None]] = (1, None)

    def shares_memory(self, bottoms: Shapes, tops: int) -> bool:
        return True

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        return bottoms[:1] * tops


@caffe_layer("Silence")
@dataclass(frozen=True)
class Silence(LayerParams):
    """Reads its bottoms, so that they are no outputs of the network."""

    has_gradient: ClassVar[bool] = False
    bottom_count: ClassVar[tuple[int, int | None]] = (1, None)
    top_count: ClassVar[tuple[int, int | None]] = (0, 0)
    places: ClassVar[Spatial | None] = SOURCE

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        return ()


@caffe_layer("Flatten")
@dataclass(frozen=True, kw_only=True)
class Flatten(LayerParams):
    """`FlattenParameter`: axes `axis` to `end_axis` become one, in Caffe's order.

    An `end_axis` just before `axis` adds an axis of size 1 between the two.
    """

    message: ClassVar[str | None] = "flatten_param"
    in_place: ClassVar[bool] = False

    axis: int = 1
    end_axis: int = -1

    @property
    def flattens(self) -> bool:
        return (self.axis, self.end_axis) == (1, -1)

    def as_reshape(self, rank: int) -> Reshape:
        """The Reshape that does the same to a bottom of `rank` axes."""
        first = canonical_axis(self.axis, rank)
        count = canonical_axis(self.end_axis, rank, "end_axis") - first + 1
        if count < 0:
            raise NetworkError(f"end_axis: {self.end_axis} comes before axis: {self.axis}")
        return Reshape(shape=(-1 if count else 1,), axis=first, num_axes=count)

    def shares_memory(self, bottoms: Shapes, tops: int) -> bool:
        return True

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        return self.as_reshape(len(bottoms[0])).top_shapes(bottoms, tops)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        return self.as_reshape(len(bottoms[0])).spatial(bottoms, top, tops)


@caffe_layer("Reshape")
@dataclass(frozen=True, kw_only=True)
class Reshape(LayerParams):
    """`ReshapeParameter`: `num_axes` axes from `axis` on become `shape`, in Caffe's order.

    A 0 in `shape` takes the size that the bottom has at the same place, -1 what is
    left. A negative `axis` counts from behind the last axis: -1 appends.
    """

    message: ClassVar[str | None] = "reshape_param"
    in_place: ClassVar[bool] = False

    shape: tuple[int, ...] = ()
    axis: int = 0
    num_axes: int = -1

    def __post_init__(self) -> None:
        if len(self.shape) > MAX_AXES:
            raise NetworkError(f"shape: {len(self.shape)} sizes; Caffe allows {MAX_AXES} axes")
        if any(size < -1 for size in self.shape) or self.shape.count(-1) > 1:
            raise NetworkError(
                f"shape: {self.shape} must hold sizes of at least 0, and one -1 at most"
            )
        if self.num_axes < -1:
            raise NetworkError(f"num_axes: {self.num_axes} must be -1 or more")

    def sizes(self, bottom: Shape) -> tuple[int, ...]:
        """`shape`, with 0 for a first size that only repeats the batch of the bottom.

        A prototxt that says `dim: 10` for a batch of 10 means any batch. A first size
        that is not the bottom's is left as it is, and holds for that batch only.
        """
        repeats = bool(self.shape and bottom) and self.shape[0] == bottom[0]
        return (0, *self.shape[1:]) if repeats and self._span(len(bottom))[0] == 0 else self.shape

    def kept(self, rank: int) -> tuple[int | None, ...]:
        """For each axis of the top the bottom's axis whose size it has, or None."""
        first, last = self._span(rank)
        new = [first + index if size == 0 else None for index, size in enumerate(self.shape)]
        if any(axis is not None and axis >= rank for axis in new):
            raise NetworkError(
                f"shape: {self.shape} from axis {first} on has a 0 where a bottom of {rank} axes "
                "has no size to copy"
            )
        return (*range(first), *new, *range(last, rank))

    def arranged(self, sizes: Sequence[Any]) -> tuple[Any, ...]:
        """The top's sizes for a bottom of these sizes; -1 stays."""
        own = iter([size for size in self.shape if size != 0])
        return tuple(next(own) if axis is None else sizes[axis] for axis in self.kept(len(sizes)))

    def shares_memory(self, bottoms: Shapes, tops: int) -> bool:
        return True

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        bottom = bottoms[0]
        # Sizes that are kept cancel out, so that they need not be known.
        every = Counter(range(len(bottom)))
        kept = Counter(axis for axis in self.kept(len(bottom)) if axis is not None)
        there = product(bottom[axis] for axis in (every - kept).elements())
        again = [bottom[axis] for axis in (kept - every).elements()]
        given = product((*again, *(size for size in self.shape if size > 0)))
        top = self.arranged(bottom)
        if there is None or given is None:
            return (tuple(None if size == -1 else size for size in top),)
        if (there % given if -1 in self.shape and given else there - given) != 0:
            raise NetworkError(
                f"shape: {self.shape} gives {given} elements where the bottom {bottom} has {there}"
            )
        return (tuple(there // given if size == -1 else size for size in top),)

    def _span(self, rank: int) -> tuple[int, int]:
        """First and last axis (not included) that are replaced."""
        first = self.axis if self.axis >= 0 else rank + self.axis + 1
        if not 0 <= first <= rank:
            raise NetworkError(f"axis: {self.axis} is outside a blob with {rank} axes")
        last = rank if self.num_axes == -1 else first + self.num_axes
        if last > rank:
            raise NetworkError(
                f"num_axes: {self.num_axes} from axis {first} on are more than {rank} axes"
            )
        return first, last

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        (bottom,), (after,) = bottoms, self.top_shapes(bottoms, tops)
        kept = self.kept(len(bottom))
        in_place = kept[FIRST:] == tuple(range(FIRST, len(bottom)))
        if in_place or (after == bottom and None not in bottom[1:]):
            return ELEMENTWISE
        return nowhere("elements in another arrangement") if len(after) > FIRST else WHOLE_MAP


@caffe_layer("PixelShuffle")
@dataclass(frozen=True, kw_only=True)
class PixelShuffle(LayerParams):
    """`ReshapeParameter` of Synopsys' Caffe: r * r channels become r x r pixels of one.

    It is a Reshape there, with `pixelshuffler: r`. Source: `reshape_layer.cpp` of
    foss-for-synopsys-dwc-arc-processors/synopsys-caffe.
    """

    message: ClassVar[str | None] = "reshape_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"shape", "axis", "num_axes"})
    in_place: ClassVar[bool] = False

    pixelshuffler: int

    def __post_init__(self) -> None:
        if self.pixelshuffler < 1:
            raise NetworkError(f"pixelshuffler: {self.pixelshuffler} must be at least 1")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        expect_rank(bottoms[0], 4)
        images, channels, *sizes = bottoms[0]
        ratio = self.pixelshuffler
        if channels is not None and channels % ratio**2:
            raise NetworkError(f"{channels} channels are not a multiple of {ratio} * {ratio}")
        larger = (None if size is None else size * ratio for size in sizes)
        return ((images, None if channels is None else channels // ratio**2, *larger),)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        return Spatial(((Spread(self.pixelshuffler, self.pixelshuffler),),))
