"""What a row of cells sees along one axis of the image.

Source of the arithmetic: Dumoulin and Visin, "A guide to convolution arithmetic for deep
learning", 2016; in Caffe, ``coord_map.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Extent:
    """What a row of cells sees along one axis of the image.

    Cell i sees the pixels ``first + i * stride`` to ``last + i * stride``, which may lie
    outside the image: there the network saw padding.

    Attributes:
        first: first pixel of cell 0.
        last: last pixel of cell 0.
        stride: pixels from one cell to the next.
    """

    first: Fraction = Fraction(0)
    last: Fraction = Fraction(0)
    stride: Fraction = Fraction(1)

    @property
    def size(self) -> float:
        """Pixels that a cell sees."""
        return float(self.last - self.first + 1)

    @property
    def offset(self) -> float:
        """The pixel at the centre of cell 0."""
        return float(self.first + self.last) / 2

    def windows(self, length: int, stride: int = 1, before: int = 0, dilation: int = 1) -> Extent:
        """What windows over these cells see; ``before``: cells of padding in front."""
        first = self.first - before * self.stride
        reach = self.last + ((length - 1) * dilation - before) * self.stride
        return Extent(first, reach, self.stride * stride)

    def spread(self, length: int, stride: int, cut: int = 0) -> Extent:
        """What the cells see that windows are written to; ``cut``: cells cut off in front."""
        step = self.stride / stride
        return Extent(self.first + (cut - length + 1) * step, self.last + cut * step, step)

    def shifted(self, cells: int) -> Extent:
        """The cells from a later one on."""
        return Extent(
            self.first + cells * self.stride, self.last + cells * self.stride, self.stride
        )

    def exact(self, cells: int, image: int, crop: int) -> npt.NDArray[np.bool_]:
        """For each cell whether a crop gives it the same value as the whole image does.

        The crop of cell i begins at pixel ``i * stride``. A cell that sees no padding on the
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
