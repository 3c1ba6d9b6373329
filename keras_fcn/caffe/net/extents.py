"""Receptive field of a feature map along one axis of the image.

Source of the arithmetic: Dumoulin and Visin, "A guide to convolution arithmetic for deep
learning", 2016; in Caffe, `coord_map.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.layers.spatial import Resampled, Seen, Spread, Windows

MOST_CELLS = 1 << 16
"""A longer period than this is not followed."""


@dataclass(frozen=True)
class Extent:
    """Receptive field of a feature map along one axis of the image.

    Behind upsampling neighbours may see the same pixels: what they see repeats after some
    positions, one such period is kept.

    Attributes:
        period: for each position of the first period the pixels that it sees. They may lie outside
            the image: there the network saw padding.
        advance: pixels from one period to the next.
    """

    period: tuple[Seen, ...] = (Seen(0, 0),)
    advance: int = 1

    def pixels(self, cell: int) -> Seen:
        """The first and the last pixel that a position sees."""
        periods, place = divmod(cell, len(self.period))
        first, last = self.period[place]
        return Seen(first + periods * self.advance, last + periods * self.advance)

    @property
    def stride(self) -> Fraction:
        """Pixels from one position to the next."""
        return Fraction(self.advance, len(self.period))

    @property
    def first(self) -> Fraction:
        """Position i sees no pixel before `first + i * stride`."""
        return min(seen.first - i * self.stride for i, seen in enumerate(self.period))

    @property
    def last(self) -> Fraction:
        """Position i sees no pixel behind `last + i * stride`."""
        return max(seen.last - i * self.stride for i, seen in enumerate(self.period))

    @property
    def size(self) -> float:
        """Pixels that a position sees, the most of any."""
        return float(max(seen.last - seen.first + 1 for seen in self.period))

    @property
    def offset(self) -> float:
        """The pixel at the centre of position 0."""
        return float(self.first + self.last) / 2

    def through(self, record: Windows | Spread | Resampled) -> Extent:
        """Receptive field of a layer's top, where this is the field of its bottom.

        Raises:
            ValueError: too many positions see differently.
        """
        repeats = len(self.period) // math.gcd(len(self.period), record.advance)
        cells = repeats * record.period
        if cells > MOST_CELLS:
            raise ValueError(f"{cells} cells of it see differently")
        taps = [record.sees(cell) for cell in range(cells)]
        seen = (Seen(self.pixels(tap.first).first, self.pixels(tap.last).last) for tap in taps)
        return Extent(tuple(seen), repeats * record.advance * self.advance // len(self.period))

    @staticmethod
    def joined(extents: Sequence[Extent]) -> Extent:
        """Receptive field of positions that read several rows of one stride.

        Raises:
            ValueError: the strides differ.
        """
        (first, *others) = extents
        strides = sorted({extent.stride for extent in extents})
        if len(strides) > 1:
            raise ValueError(
                f"cells {' and '.join(f'{float(stride):g}' for stride in strides)} pixels apart"
            )
        if all(other == first for other in others):
            return first
        cells = math.lcm(*(len(extent.period) for extent in extents))
        if cells > MOST_CELLS:
            raise ValueError(f"{cells} cells of it see differently")
        rows = zip(*([x.pixels(cell) for cell in range(cells)] for x in extents), strict=True)
        seen = (Seen(min(x.first for x in row), max(x.last for x in row)) for row in rows)
        return Extent(tuple(seen), int(strides[0] * cells))

    def exact(self, cells: int, image: int, crop: int) -> npt.NDArray[np.bool_]:
        """For each position whether a crop gives it the same value as the whole image does.

        The crop of position i begins at pixel `i * stride`. A position that sees no padding on the
        crop is the same; one that does is so only where the image ends too.

        Args:
            cells: cells along the axis.
            image: pixels of the image.
            crop: pixels of the crop.
        """
        starts = [i * self.stride for i in range(cells)]
        before = [self.first >= 0 or start == 0 for start in starts]
        behind = [self.last < crop or start + crop == image for start in starts]
        return np.logical_and(before, behind)
