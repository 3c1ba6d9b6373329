"""Tiles of an image whose maps overlap and are blended, for networks that see more than a tile.

What such a network gives on tiles is not what it gives on the whole image: a plan says how the
tiles lie, how much of each goes into a position of the map, and which layers see more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_fcn.caffe.words import either, quoted
from keras_fcn.errors import ModelError
from keras_fcn.graph.shifts import Beyond, Shared, Size, shared_positions
from keras_fcn.graph.sizes import tensor_shapes
from keras_fcn.graph.tile_plans import Strip, TilePlan
from keras_fcn.kept import kept

__all__ = ["Blended", "Share", "blended_plan"]

_RAMP = 8
_UNKNOWN = 4


class Share(NamedTuple):
    """What a strip has of the positions that another one gives.

    Attributes:
        strip: which one has them.
        own: where they lie in its tile's map.
        out: where they lie among those that are given.
        weights: how much of each goes into the map.
    """

    strip: int
    own: slice
    out: slice
    weights: np.ndarray


@dataclass(frozen=True)
class Blended(TilePlan):
    """Tiles whose maps are blended.

    A strip gives the positions that no later one has a share in.

    Attributes:
        whole: (height, width) that the image is brought to.
        shares: for each strip of rows, and for each of columns, what is in the positions it gives.
        overlap: rows and columns that neighbours have in common, at least.
        why: where the overlap comes from.
        beyond: the layers that see more than a tile.
    """

    whole: Size
    shares: tuple[tuple[tuple[Share, ...], ...], tuple[tuple[Share, ...], ...]]
    overlap: Size
    why: str
    beyond: tuple[Beyond, ...]


@dataclass(frozen=True)
class _Axis:
    """One axis of the tiles.

    Attributes:
        tile: pixels of a tile.
        whole: pixels that the image is brought to.
        grid: pixels from one place where a tile may begin to the next.
        stride: pixels from one position of the map to the next.
        cells: positions of a tile's map.
        margins: positions at a tile's ends that see past it; None where that is not known.
    """

    tile: int
    whole: int
    grid: int
    stride: Fraction
    cells: int
    margins: tuple[int, int] | None

    def asked(self, overlap: int | None) -> tuple[int, str]:
        """Pixels of overlap, and where they come from."""
        if overlap is not None:
            return overlap, "as asked for"
        if self.margins is None:
            return self.tile // _UNKNOWN, "a quarter of the tile, as what its layers see is unknown"
        seen = max(int(self.tile - (self.cells - sum(self.margins)) * self.stride), 0)
        if seen + self.tile // _RAMP > self.tile // 2:
            return self.tile // 2, f"half of the tile, of which other layers see {seen} or more"
        return seen + self.tile // _RAMP, f"the {seen} that other layers see, and a ramp"

    def starts(self, overlap: int) -> list[int]:
        """The first pixels of the tiles, evenly on the grid."""
        steps = (self.whole - self.tile) // self.grid
        apart = min(self.tile - overlap, int((self.cells - 1) * self.stride))
        most = max(apart // self.grid, 0)
        if steps and not most:
            raise ValueError(
                f"tiles of {self.tile} pixels cannot overlap by {overlap}, as they begin "
                f"{self.grid} apart; give a larger {quoted('tile')}, or less for "
                f"{either('`overlap`', '--tile-overlap')}"
            )
        gaps = -(-steps // max(most, 1))
        return [self.grid * ((k * steps + gaps // 2) // max(gaps, 1)) for k in range(gaps + 1)]

    def weights(self, cells: Sequence[int]) -> list[np.ndarray]:
        """How much of each position of each tile goes into the map, before they add up to 1.

        None of a tile's first one, so that the tile before gives it.

        Args:
            cells: the first position of each tile.
        """
        found = [np.ones(self.cells) for _ in cells]
        for index, (one, other) in enumerate(pairwise(cells)):
            common = one + self.cells - other
            before, behind = self.margins or (0, 0)
            if before + behind >= common:
                before = behind = 0
            ramp = np.clip((np.arange(common) - before) / (common - before - behind), 0, 1)
            ramp = 0.5 - 0.5 * np.cos(np.pi * ramp)
            found[index][-common:] *= 1 - ramp
            found[index + 1][:common] *= ramp
        return found


@kept
def blended_plan(
    model: keras.Model,
    image: Size,
    whole: Size,
    tile: Size,
    overlap: int | None = None,
    again: int = 0,
    hard: bool = False,
) -> Blended:
    """Tiles whose maps are blended to one of the whole image.

    Args:
        model: a network of one input, images (N, H, W, C), and one output, a map.
        image: (height, width) of the image.
        whole: the next size that the network takes.
        tile: the largest (height, width) of a tile; the network's own where it takes but one.
        overlap: pixels that neighbours have in common at least; None for what layers see that do
            not see all, and an eighth of the tile, but no more than half of it.
        again: see `keras_fcn.graph.tile_plans.tile_plan`.
        hard: whether each position is of one tile alone, as labels have no mean.

    Raises:
        ModelError: the network gives no map of a tile.
        ValueError: the tile is too small for the network, or for the overlap.
    """
    axes, beyond = _axes(model, image, whole, tile)
    asked = [axis.asked(overlap) for axis in axes]
    starts = [axis.starts(pixels) for axis, (pixels, _) in zip(axes, asked, strict=True)]
    strips: list[tuple[Strip, ...]] = []
    shares: list[tuple[tuple[Share, ...], ...]] = []
    cells: list[int] = []
    for axis, begins in zip(axes, starts, strict=True):
        firsts = [int(begin / axis.stride) for begin in begins]
        cells.append(firsts[-1] + axis.cells)
        strips.append(_strips(axis, begins, firsts, again))
        shares.append(_shares(axis, strips[-1], firsts, hard))
    common = [
        axis.tile - max((b - a for a, b in pairwise(begins)), default=0)
        for axis, begins in zip(axes, starts, strict=True)
    ]
    cut = int(len(starts[0]) == 1)  # the axis whose reason is told
    return Blended(
        (axes[0].tile, axes[1].tile),
        strips[0],
        strips[1],
        (cells[0], cells[1]),
        (axes[0].whole, axes[1].whole),
        (shares[0], shares[1]),
        (common[0], common[1]),
        asked[cut][1],
        beyond,
    )


def _axes(
    model: keras.Model, image: Size, whole: Size, tile: Size
) -> tuple[list[_Axis], tuple[Beyond, ...]]:
    """Both axes, and the layers that see more than a tile."""
    fixed = model.inputs[0].shape[1:3]
    first = (fixed[0] or whole[0], fixed[1] or whole[1])
    found, step = shared_positions(model, first, first, (1, 1), [])
    free = [bool(found) and own is None for own in fixed]
    most = [
        n - -(-max(n - limit, 0) // each) * each if is_free else own or limit
        for is_free, own, n, limit, each in zip(free, fixed, whole, tile, step, strict=True)
    ]
    part = (most[0], most[1])
    cells = _cells(model, part)
    beyond: list[Beyond] = []
    all_ = [n if is_free else one for is_free, n, one in zip(free, whole, part, strict=True)]
    found, _ = shared_positions(model, (all_[0], all_[1]), part, step, beyond)
    axes = []
    for axis in range(2):
        shared = found[axis] if found else None
        stride = step[axis] / shared.shift if shared else Fraction(part[axis], cells[axis])
        grid = lcm(step[axis], stride.numerator)
        if shared is None and grid > part[axis] // 2:
            grid = stride.numerator
        more = 0 if free[axis] else -(-max(image[axis] - part[axis], 0) // grid) * grid
        length = whole[axis] if free[axis] else part[axis] + more
        axes.append(_Axis(part[axis], length, grid, stride, cells[axis], _margins(shared)))
    return axes, tuple(dict.fromkeys(beyond))


def _margins(shared: Shared | None) -> tuple[int, int] | None:
    """Positions at the ends of a tile's map that saw past it."""
    if shared is None:
        return None
    first = min(shared.first, shared.part)
    return first, shared.part - max(shared.stop, first)


def _cells(model: keras.Model, part: Size) -> Size:
    """Positions of a tile's map."""
    shapes = None
    if min(part) > 0:
        shapes = tensor_shapes(model, ((1, *part, model.inputs[0].shape[-1]),))
    if shapes is None or any(0 in shape for shape in shapes.values()):
        raise ValueError(
            f"tiles of {part[0]} x {part[1]} are smaller than {model.name!r} takes; give a larger "
            f"{quoted('tile')}"
        )
    shape = shapes[id(model.outputs[0])]
    if len(shape) != 4 or shape[1:3] == (1, 1):
        raise ModelError(f"model {model.name!r} gives no map of a tile, but {tuple(shape)}")
    return int(shape[1] or 0), int(shape[2] or 0)


def _strips(
    axis: _Axis, begins: Sequence[int], firsts: Sequence[int], again: int
) -> tuple[Strip, ...]:
    """Each strip gives the positions behind the first of its own to the first of the next one."""
    ends = [first + 1 for first in firsts[1:]] + [firsts[-1] + axis.cells]
    strips, covered = [], 0
    for begin, first, end in zip(begins, firsts, ends, strict=True):
        cells = slice(max(covered - again, 0), end)
        covered = end
        own = slice(cells.start - first, end - first)
        strips.append(Strip(slice(begin, begin + axis.tile), cells, own))
    return tuple(strips)


def _shares(
    axis: _Axis, strips: Sequence[Strip], firsts: Sequence[int], hard: bool
) -> tuple[tuple[Share, ...], ...]:
    weights = axis.weights(firsts)
    return tuple(
        _normalized([*_held(strip.cells, firsts[: index + 1], weights)], strip.cells, hard)
        for index, strip in enumerate(strips)
    )


def _held(cells: slice, firsts: Sequence[int], weights: Sequence[np.ndarray]) -> Iterator[Share]:
    """What strips have of some positions."""
    for strip, (first, own) in enumerate(zip(firsts, weights, strict=False)):
        start = max(cells.start, first)
        stop = min(cells.stop, first + len(own))
        if start < stop and own[start - first : stop - first].any():
            place = slice(start - first, stop - first)
            out = slice(start - cells.start, stop - cells.start)
            yield Share(strip, place, out, own[place])


def _normalized(shares: Sequence[Share], cells: slice, hard: bool) -> tuple[Share, ...]:
    """The shares with weights that add up to 1; with one of 1 where they are hard."""
    table: Any = np.zeros((len(shares), cells.stop - cells.start))
    for row, share in zip(table, shares, strict=True):
        row[share.out] = share.weights
    if hard:
        table = np.arange(len(shares))[:, np.newaxis] == table.argmax(0)
    table = (table / table.sum(0)).astype(np.float32)
    return tuple(
        share._replace(weights=row[share.out]) for row, share in zip(table, shares, strict=True)
    )
