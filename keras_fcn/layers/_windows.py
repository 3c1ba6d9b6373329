"""Positions of Caffe's pooling windows along one axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import ops


@dataclass(frozen=True)
class Windows:
    """Windows along one axis, by the rule of Caffe's `pooling_layer.cpp`.

    Sizes may be integers or integer tensors, known only when the graph runs.

    Attributes:
        length: positions of a window.
        stride: positions from one window to the next.
        pad: positions before the first and after the last one of the axis.
        ceil: whether a last window may hang over the padding.
        clip: whether a last window that starts behind the axis and its leading
            padding is dropped; Caffe does so when either axis has padding.
    """

    length: int
    stride: int
    pad: int
    ceil: bool
    clip: bool

    def count(self, size: Any) -> Any:
        """Number of windows over `size` positions."""
        room = size + 2 * self.pad - self.length + (self.stride - 1 if self.ceil else 0)
        count = room // self.stride + 1
        if self.clip and self.pad + self.stride > self.length:
            starts_inside = (size + self.pad - 1) // self.stride + 1
            smaller = min if isinstance(size, int) else ops.minimum
            count = smaller(count, starts_inside)
        return count

    def overhang(self, size: Any) -> Any:
        """Positions that the windows need after the last one of the axis, padding included."""
        if not self.ceil:
            return self.pad
        needed = (self.count(size) - 1) * self.stride + self.length - self.pad - size
        larger = max if isinstance(size, int) else ops.maximum
        return larger(needed, 0)

    def constant_overhang(self) -> int | None:
        """The overhang if it is the same for every size, else None."""
        sizes = [size for size in self._sizes() if self.count(size) > 0]
        overhangs = {self.overhang(size) for size in sizes}
        return overhangs.pop() if len(overhangs) == 1 else None

    def like_same(self, size: int | None) -> bool:
        """Whether `padding="same"` gives these windows, for every size if it is unknown."""
        return all(map(self._like_same, self._sizes() if size is None else (size,)))

    def _like_same(self, size: int) -> bool:
        count = -(-size // self.stride)
        margins = max((count - 1) * self.stride + self.length - size, 0)
        return (count, margins // 2) == (self.count(size), self.pad)

    def _sizes(self) -> range:
        """Sizes that stand for all: the geometry repeats with every further stride."""
        return range(1, self.length + self.stride)

    def cells(self, size: Any, count: Any) -> Any:
        """Positions of each window, padding included and overhang left out."""
        starts = ops.arange(count) * self.stride
        return ops.minimum(size + 2 * self.pad - starts, self.length)
