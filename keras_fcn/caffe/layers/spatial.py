"""Spatial behaviour of layers: the positions of its bottoms that a position of a top sees.

The positions of a blob are those of its axes behind the channels: rows and columns of (N, C, H, W),
also frames of (N, C, L, H, W). What a layer does along one of these axes is a small record, which
receptive fields, output strides, casts and resizing read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from enum import Enum
from fractions import Fraction
from typing import ClassVar, NamedTuple

from keras_fcn.caffe.records import dataclass

FIRST = 2
"""The first axis that holds positions, behind images and channels."""


class Channels(Enum):
    """Effect of a layer on the values of a position, which stay at their position."""

    EACH = "a function of each element, of those of several bottoms in the same place"
    ALONG = "something along axis 1, or a number for each place along it"


class Seen(NamedTuple):
    """The first and the last position of the bottom that a position of the top sees.

    A first one behind the last one means that it sees none.
    """

    first: int
    last: int


@dataclass(frozen=True)
class Windows:
    """Windows over an axis; the defaults leave every position in its place.

    Attributes:
        length: taps of a window.
        stride: positions from one window to the next.
        before: positions of padding in front; less than 0: that many are cut off; None: it
            depends on the size of the image, which is not known.
        dilation: positions from one tap to the next.
        overhang: positions behind the padding that the last window may reach, as the size of
            the top is rounded up.
        behind: positions of padding behind, where it is all that a layer does; less than 0:
            that many are cut off.
    """

    length: int = 1
    stride: int = 1
    before: int | None = 0
    dilation: int = 1
    overhang: int = 0
    behind: int = 0

    period: ClassVar[int] = 1
    """Positions of the top after which everything repeats."""
    size: ClassVar[int | None] = None
    """Number of positions of the top for a bottom of any size; None: it follows the bottom."""

    @property
    def advance(self) -> int:
        """Positions of the bottom that lie in one period."""
        return self.stride

    @property
    def is_in_place(self) -> bool:
        """Whether each position of the top sees its own position of the bottom alone.

        There are no positions of the top besides.
        """
        return self == IN_PLACE

    def sees(self, position: int) -> Seen:
        """Positions that a position of the top sees."""
        if self.before is None:
            raise ValueError("its padding depends on the size of the image, which is not known")
        first = position * self.stride - self.before
        return Seen(first, first + (self.length - 1) * self.dilation)


@dataclass(frozen=True)
class Spread:
    """Windows that are written to and added up, as by a deconvolution, or repeated positions.

    Attributes:
        length: taps of a window.
        stride: positions of the top from one window to the next.
        cut: positions of the top that are cut off in front.
        dilation: positions from one tap to the next.
    """

    length: int
    stride: int
    cut: int = 0
    dilation: int = 1

    advance: ClassVar[int] = 1
    size: ClassVar[int | None] = None
    is_in_place: ClassVar[bool] = False

    @property
    def period(self) -> int:
        """Positions of the top after which everything repeats."""
        return self.stride

    def sees(self, position: int) -> Seen:
        """Positions that a position of the top sees."""
        place = position + self.cut
        reach = (self.length - 1) * self.dilation
        return Seen(-((reach - place) // self.stride), place // self.stride)


@dataclass(frozen=True)
class Resampled:
    """Each position of the top looks at a place between two positions of the bottom.

    Attributes:
        step: positions of the bottom from one place to the next; None: it follows from sizes
            that are not known.
        start: the place of the first position.
        reach: it sees the positions that are less than this far from its place.
        size: how many positions the top has for a bottom of any size; None: it follows.
    """

    step: Fraction | None
    start: Fraction = Fraction(0)
    reach: Fraction = Fraction(1)
    size: int | None = None

    is_in_place: ClassVar[bool] = False

    @property
    def period(self) -> int:
        """Positions of the top after which everything repeats."""
        return self._step.denominator

    @property
    def advance(self) -> int:
        """Positions of the bottom that lie in one period."""
        return self._step.numerator

    def sees(self, position: int) -> Seen:
        """Positions that a position of the top sees."""
        place = self.start + position * self._step
        return Seen(math.floor(place - self.reach) + 1, math.ceil(place + self.reach) - 1)

    @property
    def _step(self) -> Fraction:
        if self.step is None:
            raise ValueError("its positions follow from sizes of the image that are not known")
        return self.step


@dataclass(frozen=True)
class Unpooled:
    """Each position of the bottom goes where a mask says that its pooling found it.

    The windows are those of the pooling that made the mask.

    Attributes:
        size: how many positions the top has for a bottom of any size; None: it follows.
    """

    size: int | None = None

    is_in_place: ClassVar[bool] = False


@dataclass(frozen=True)
class Whole:
    """Every position of the top sees, or may see, all of the bottom's along the axis."""

    size: ClassVar[int | None] = None
    is_in_place: ClassVar[bool] = False


Axis = Windows | Spread | Resampled | Unpooled | Whole
Axes = tuple[Axis, ...]

IN_PLACE = Windows()
WHOLE = Whole()


@dataclass(frozen=True)
class Spatial:
    """Positions of each bottom that the positions of one top see.

    Attributes:
        bottoms: for each bottom what is done along its axes of positions: one record an axis,
            or one for all of them; none where the bottom gives no values, only its shape. The
            last bottom stands for all that follow.
        mask: which bottom is the mask of `Unpooled`.
        why: why the positions of the top are not those of an image; empty: they are.
    """

    bottoms: tuple[Axes, ...] = ((IN_PLACE,),)
    mask: int | None = None
    why: str = ""

    def axes(self, bottom: int, count: int) -> Axes:
        """Effect along each of a bottom's `count` axes; none: its values are not read."""
        if not self.bottoms:
            return ()
        found = self.bottoms[min(bottom, len(self.bottoms) - 1)]
        return found * count if len(found) == 1 else found

    @property
    def every(self) -> Iterator[Axis]:
        """All records."""
        return (axis for axes in self.bottoms for axis in axes)

    @property
    def is_in_place(self) -> bool:
        """Whether each position of the top sees its own position of the bottoms alone."""
        return not self.why and all(axis.is_in_place for axis in self.every)

    @property
    def fixes_size(self) -> bool:
        """Whether the top has a size of its own, whatever the size of the bottom."""
        return any(axis.size is not None for axis in self.every)


ELEMENTWISE = Spatial()
"""Each position sees its own one of each bottom, whatever is done along the channels."""
FIRST_ALONE = Spatial(((IN_PLACE,), ()))
"""The same of the first bottom; the others give no values of a map."""
WHOLE_MAP = Spatial(((WHOLE,),))
"""Each position sees all of the map, as behind global pooling."""
SOURCE = Spatial(())
"""Reads no bottoms, or has no tops."""


def nowhere(why: str) -> Spatial:
    """The positions of the top mean nothing on an image; `why` says what they are."""
    return Spatial(((WHOLE,),), why=why)


def along(axis: int, rank: int, record: Axis) -> Axes:
    """One axis of a blob of `rank` axes is treated so, the other ones stay in place."""
    return tuple(record if axis == place else IN_PLACE for place in range(FIRST, rank)) or (
        IN_PLACE,
    )


def whole_along(axis: int, rank: int) -> Spatial:
    """Each position sees all of one axis, such as those that a softmax divides by."""
    return ELEMENTWISE if axis < FIRST else Spatial((along(axis, rank, WHOLE),))


def only(bottom: int, count: int, axes: Axes) -> Spatial:
    """One of `count` bottoms is read so, the others are those of other tops."""
    return Spatial(tuple(axes if index == bottom else () for index in range(max(count, 1))))


def stretched(bottom: int | None, top: int | None, size: int | None = None) -> Resampled:
    """Resizing that keeps the first and the last position where they are.

    Args:
        bottom: how many positions there are; None: not known.
        top: how many there shall be.
        size: `top`, where it is the same for a bottom of any size.
    """
    if top == 1 or bottom == 1:
        return Resampled(Fraction(0), size=size)
    if bottom is None or top is None:
        return Resampled(None, size=size)
    return Resampled(Fraction(bottom - 1, top - 1), size=size)


def unpooled(axes: Sequence[Axis], windows: Sequence[Axis]) -> Axes:
    """What a layer sees that puts elements where a pooling of these windows found them."""
    return tuple(
        Spread(own.length, own.stride, own.before or 0, own.dilation)
        if isinstance(axis, Unpooled) and isinstance(own, Windows)
        else axis
        for axis, own in zip(axes, windows, strict=True)
    )
