"""The next size of images that a network takes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

__all__ = ["next_fitting"]

Size = tuple[int, int]

#: Strides of networks; other steps are tried where none of them will do.
_STRIDES = (1, 2, 4, 8, 16, 32, 64)
_FARTHEST = 64
_FAR = 1024  # a multiple of the strides, and more than windows have


def next_fitting(size: Size, free: Sequence[bool], takes: Callable[[Size], bool]) -> Size:
    """The next size that a network takes, from a size of images on.

    Args:
        size: (height, width) of the image.
        free: whether height and width may be others.
        takes: whether the network takes a size.

    Returns:
        (height, width); the image's own where it will do, and where nothing in reach would mend
        it.
    """
    tried = _candidates(size, free)
    if takes(next(tried)):
        return size
    height, width = (n + _FAR if may else n for n, may in zip(size, free, strict=True))
    if takes((height, width)):
        return size
    return next((found for found in tried if takes(found)), size)


def _candidates(size: Size, free: Sequence[bool]) -> Iterator[Size]:
    """Sizes in the order in which they are tried, those that add least first."""
    multiples = ([-(-length // stride) * stride for length in size] for stride in _STRIDES)
    steps = ([length + more for length in size] for more in range(1, _FARTHEST))
    tried = (
        (height if free[0] else size[0], width if free[1] else size[1])
        for height, width in itertools.chain(multiples, steps)
    )
    return iter(dict.fromkeys(tried))
