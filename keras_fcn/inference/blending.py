"""Passes tile by tile of networks that see more than a tile: overlapping maps are blended.

What comes out is not what one pass over the whole image gives; an `Approximation` says so.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from keras_fcn.caffe.words import either, quoted

if TYPE_CHECKING:
    from keras_fcn.graph.blended_tiles import Blended

__all__ = ["Approximation", "Blend", "Held", "KeptMaps", "blend_of", "mixed", "needed_behind"]

_MOST_TOLD = 6


class Blend(NamedTuple):
    """That tiles may be blended where they do not give what the whole image gives.

    Attributes:
        overlap: pixels that neighbours have in common at least; None: see
            `keras_fcn.graph.blended_tiles.blended_plan`.
    """

    overlap: int | None = None


def blend_of(approximate: bool, overlap: Any) -> Blend | None:
    """What users ask for.

    Raises:
        ValueError: the overlap is no number of pixels, or nothing is blended.
    """
    if overlap is None:
        return Blend() if approximate else None
    option = either("`overlap`", "--tile-overlap")
    if not approximate:
        raise ValueError(f"{option} is for {quoted('approximate')}. Received: {overlap}")
    try:
        pixels = 0 if isinstance(overlap, bool) else operator.index(overlap)
    except TypeError:
        pixels = 0
    if pixels < 1:
        raise ValueError(f"{option} are pixels, 1 or more. Received: {overlap!r}")
    return Blend(pixels)


@dataclass(frozen=True)
class Approximation:
    """How a map was put together that is not that of one pass.

    Attributes:
        tile: (height, width) that the network was given at a time.
        tiles: how many.
        overlap: rows and columns that neighbours have in common, at least.
        why: where the overlap comes from.
        layers: (name, class) of those that see beyond a tile; what they give is that of the tile.
    """

    tile: tuple[int, int]
    tiles: int
    overlap: tuple[int, int]
    why: str
    layers: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        shown = [f"{name!r} ({kind})" for name, kind in self.layers[:_MOST_TOLD]]
        more = len(self.layers) - len(shown)
        seen = ", ".join(shown) + (f" and {more} more" if more else "")
        beyond = (
            f"what {seen} and the layers behind see is each tile, not the image"
            if seen
            else "the network takes images of this size alone, and pads each"
        )
        return (
            "approximate: {} tiles of {}x{} pixels, blended where they overlap by {}x{} ({}); "
            "{}. How far this is from one pass over the image is not known"
        ).format(self.tiles, *self.tile, *self.overlap, self.why, beyond)

    def to_json(self) -> dict[str, Any]:
        """The same for a record."""
        return {"approximate": True, "is": str(self), **asdict(self)}

    @staticmethod
    def of(plan: Blended) -> Approximation:
        """That of a plan."""
        layers = tuple((one.name, one.kind) for one in plan.beyond)
        count = len(plan.rows) * len(plan.columns)
        return Approximation(plan.tile, count, plan.overlap, plan.why, layers)


class Held(Protocol):
    """The maps of the last tiles."""

    def put(self, index: int, tile_map: np.ndarray) -> None:
        """Keep a map, (..., rows, columns, classes)."""

    def get(self, index: int, rows: slice, columns: slice) -> np.ndarray:
        """A part of one that is kept."""


class KeptMaps:
    """The maps of the last tiles, in memory."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._maps: dict[int, np.ndarray] = {}

    def put(self, index: int, tile_map: np.ndarray) -> None:
        """See `Held`."""
        self._maps.pop(index - self._count, None)
        self._maps[index] = tile_map

    def get(self, index: int, rows: slice, columns: slice) -> np.ndarray:
        """See `Held`."""
        return self._maps[index][..., rows, columns, :]


def needed_behind(plan: Blended, columns: int | None = None) -> int:
    """How many tiles behind, in their order by rows, the maps lie that a tile's part needs.

    Args:
        plan: how the tiles lie.
        columns: how many strips of columns there are; None for all of the plan's.
    """
    rows, across = (
        max(index - one.strip for index, each in enumerate(axis) for one in each)
        for axis in plan.shares
    )
    return rows * (columns or len(plan.columns)) + across


def mixed(plan: Blended, held: Held, row: int, column: int, columns: int) -> np.ndarray:
    """The positions that a tile gives, of all tiles that have them: (..., rows, columns, classes).

    Terms are added in the order of the tiles, so that the sums are the same whenever they are made.

    Args:
        plan: how the tiles lie.
        held: their maps, up to this tile's.
        row: its strip of rows.
        column: its strip of columns.
        columns: how many strips of columns there are.
    """
    strips = plan.rows[row], plan.columns[column]
    size = tuple(strip.cells.stop - strip.cells.start for strip in strips)
    total: Any = None
    for down, across in itertools.product(plan.shares[0][row], plan.shares[1][column]):
        part = held.get(down.strip * columns + across.strip, down.own, across.own)
        if total is None:
            total = np.zeros((*part.shape[:-3], *size, part.shape[-1]), np.float32)
        weights = down.weights[:, np.newaxis] * across.weights
        total[..., down.out, across.out, :] += weights[..., np.newaxis] * part
    return np.asarray(total)


Forward = Callable[[np.ndarray], np.ndarray]


def blended(plan: Blended, forward: Forward, images: np.ndarray) -> np.ndarray:
    """The map of images (N, height, width, channels) of the plan's size."""
    count = len(plan.columns)
    held = KeptMaps(needed_behind(plan) + 1)
    whole = np.empty(0)
    for index, (row, column) in enumerate(itertools.product(range(len(plan.rows)), range(count))):
        rows, columns = plan.rows[row], plan.columns[column]
        tile_map = forward(images[:, rows.pixels, columns.pixels])
        held.put(index, tile_map)
        found = mixed(plan, held, row, column, count)
        if not whole.size:
            whole = np.empty((len(images), *plan.cells, found.shape[-1]), tile_map.dtype)
        whole[:, rows.cells, columns.cells] = found
    return whole
