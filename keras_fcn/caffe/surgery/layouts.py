"""Layout of a classifier's blob: the axes of a map that its elements come from.

Behind Flatten or global pooling a classifier works on vectors. After the cast, the same
blob is a map in which every position holds what one vector held. What an axis of the old
blob is in a window of the new map is said in letters: an image's ("C", "H", "W"), flattened
("CHW",), in Keras' order ("HWC",). A letter whose size is 1 is left out, as its place among
the others means nothing: scores are ("C",), or ("C", "", "") behind global pooling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

from keras_fcn.caffe.records import dataclass


@dataclass(frozen=True)
class Layout:
    """One image's elements in a blob, the batch axis left out.

    Attributes:
        axes: the letters of each axis, slowest first.
        channels: how many channels the map has.
        window: (height, width) of the part of the new map that one old blob held.
    """

    axes: tuple[str, ...]
    channels: int
    window: tuple[int, int] = (1, 1)

    @classmethod
    def of(cls, axes: Sequence[str], channels: int, window: tuple[int, int] = (1, 1)) -> Self:
        """A layout, without the letters of size 1."""
        gone = [x for x, size in zip("CHW", (channels, *window), strict=True) if size == 1]
        kept = tuple("".join(x for x in axis if x not in gone) for axis in axes)
        return cls(kept, channels, window)

    @property
    def is_cell(self) -> bool:
        """Whether one position of the map is all that the blob held."""
        return self.window == (1, 1)

    @property
    def letters(self) -> str:
        """All letters, slowest first."""
        return "".join(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the old blob's axes."""
        return tuple(math.prod(map(self.size, axis)) for axis in self.axes)

    def size(self, letter: str) -> int:
        """The size of a letter."""
        return {"C": self.channels, "H": self.window[0], "W": self.window[1]}[letter]

    def holds_channels(self, axis: int) -> bool:
        """Whether the channels, and nothing else, lie along an axis."""
        return self.axes[axis] == ("C" if self.channels > 1 else "")

    def with_channels(self, axis: int, channels: int) -> Self:
        """Another number of channels, along the axis that holds them."""
        axes = [*self.axes[:axis], "C", *self.axes[axis + 1 :]]
        return self.of(axes, channels, self.window)

    def reshaped(self, shape: Sequence[int]) -> Self | None:
        """The elements in their order under other axes; None where one cuts a letter in two."""
        letters, axes = list(self.letters), []
        for size in shape:
            axis = ""
            while math.prod(map(self.size, axis)) < size and letters:
                axis += letters.pop(0)
            if math.prod(map(self.size, axis)) != size:
                return None
            axes.append(axis)
        return None if letters else type(self)(tuple(axes), self.channels, self.window)

    def permuted(self, order: Sequence[int]) -> Self:
        """The axes in another order."""
        return type(self)(tuple(self.axes[i] for i in order), self.channels, self.window)


def kernel_order(letters: str, wanted: str) -> tuple[int, ...]:
    """The transposition of axes in the order of `letters` (some may lack) to `wanted`."""
    every = "".join(x for x in wanted if x not in letters) + letters
    return tuple(every.index(x) for x in wanted)
