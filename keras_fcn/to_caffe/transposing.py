"""Elements in another order: BVLC Caffe has no transposition, but its Im2col is one.

The windows of 1 x W in a map (X, H, W) are its rows, and their positions become channels:
(X, W, H).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def axes_of(places: Any) -> tuple[list[int], list[int]] | None:
    """The axes whose transposition an order is.

    Args:
        places: where each element comes from, a permutation of 0, 1, ...

    Returns:
        Sizes of the axes as they are, and which of them each new axis is; None where the
        order is no transposition.
    """
    if np.array_equal(places, np.arange(len(places))):
        return [], []
    rest = places
    found: list[tuple[int, int]] = []
    while len(rest) > 1:
        step = rest[1] - rest[0]
        run = rest == rest[0] + step * np.arange(len(rest))
        size = len(rest) if run.all() else int(run.argmin())
        if len(rest) % size or size < 2:
            return None
        found.insert(0, (size, int(step)))
        rest = rest[::size]
    strides = [step for _, step in found]
    order = sorted(range(len(found)), key=lambda axis: -strides[axis])
    sizes = [found[axis][0] for axis in order]
    new = [order.index(axis) for axis in range(len(found))]
    expected = np.arange(len(places)).reshape(sizes).transpose(new).ravel()
    return (sizes, new) if np.array_equal(expected, places) else None


def swaps(sizes: Sequence[int], new: Sequence[int]) -> list[tuple[int, int, int]]:
    """The swaps (X, A, B) -> (X, B, A) that bring axes into an order, as the sizes of each."""
    now, steps = list(range(len(sizes))), []

    def product(axes: Sequence[int]) -> int:
        return math.prod(sizes[axis] for axis in axes)

    for place, axis in enumerate(new):
        found = now.index(axis)
        before, between, behind = now[:place], now[place:found], now[found + 1 :]
        if not between:
            continue
        steps.append((product(before), product(between), product([axis, *behind])))
        if behind:
            steps.append((product([*before, axis]), product(behind), product(between)))
        now = [*before, axis, *between, *behind]
    return steps


def transposed(write: Callable[..., Any], name: str, x: Any, steps: Any) -> Any:
    """The layers of some swaps.

    Args:
        write: `keras_fcn.to_caffe.draft.Draft.one`.
        name: of the layers.
        x: the blob.
        steps: see `swaps`.
    """
    for outer, height, width in steps:
        x = write("Reshape", f"{name}_rows", x, shape=(0, outer, height, width))
        x = write("Im2col", f"{name}_swapped", x, kernel_h=1, kernel_w=width)
    return x
