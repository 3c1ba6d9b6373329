"""Tiles of an image whose maps, side by side, are the map of the whole image.

All tiles are of one size, which leaves the same rest by the network's grid as the image's: so each
layer rounds alike on all of them. They begin on the grid, and overlap by what the network needs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import keras

from keras_fcn.caffe.words import either
from keras_fcn.graph.shifts import Shared, Size, TooSmallError, shared_positions
from keras_fcn.graph.sizes import tensor_shapes
from keras_fcn.kept import kept

__all__ = ["Strip", "TilePlan", "memory_tile", "one_tile", "tile_plan"]

_FLOAT = 4
_TRIES = 5


@dataclass(frozen=True)
class Strip:
    """Rows, or columns, of an image that tiles read, and of the map that they give.

    Attributes:
        pixels: what is read of the image.
        cells: what is given of the map.
        own: where that lies in the tile's map.
    """

    pixels: slice
    cells: slice
    own: slice


@dataclass(frozen=True)
class TilePlan:
    """Tiles: each of the strips of rows with each of those of columns.

    Attributes:
        tile: (height, width) of every tile.
        rows: strips of rows, from top to bottom.
        columns: strips of columns, from left to right.
        cells: rows and columns of the whole map.
    """

    tile: Size
    rows: tuple[Strip, ...]
    columns: tuple[Strip, ...]
    cells: Size


@kept
def tile_plan(model: keras.Model, image: Size, tile: Size, again: int = 0) -> TilePlan:
    """Tiles that give together what one pass over the whole image gives.

    Args:
        model: a network of one input, images (N, H, W, C), and one output, a map.
        image: (height, width) of the image, which the network takes.
        tile: the largest (height, width) of a tile, its overlap included.
        again: how many of the last positions of a strip the next one gives too.

    Raises:
        ModelError: a layer gives something else on a part of the image; the error names it.
        ValueError: the tile is too small; the error says which one would do.
    """
    _, grid = shared_positions(model, image, image, (1, 1))
    found = _tried(model, image, tile, grid, again)
    if found is not None:
        return found
    needed = _enough(model, image, grid, again)
    enough = either(f"`tile={needed}`", f"--tile {needed}")
    raise ValueError(
        f"tiles of {tile[0]} x {tile[1]} are smaller than what a position of {model.name!r} sees; "
        + (f"{enough} is enough" if needed else "no tile smaller than the image is enough")
        + f" for {image[0]} x {image[1]} pixels"
    )


def one_tile(model: keras.Model, image: Size) -> TilePlan:
    """The plan that gives the network the whole image.

    Raises:
        ValueError: the network takes no image of this size.
    """
    shapes = tensor_shapes(model, ((1, *image, model.inputs[0].shape[-1]),))
    if shapes is None:
        raise ValueError(f"{model.name!r} takes no images of {image[0]} x {image[1]} pixels")
    cells = [size or 0 for size in shapes[id(model.outputs[0])][1:3]]
    down, across = (
        (Strip(slice(0, pixels), slice(0, count), slice(0, count)),)
        for pixels, count in zip(image, cells, strict=True)
    )
    return TilePlan(image, down, across, (cells[0], cells[1]))


def memory_tile(model: keras.Model, image: Size, memory: int) -> Size:
    """The largest tile whose maps, all of the network's, take no more than some bytes."""
    shapes = tensor_shapes(model, ((1, *image, model.inputs[0].shape[-1]),)) or {}
    values = sum(math.prod(size or 1 for size in shape) for shape in shapes.values())
    pixels = memory * image[0] * image[1] // max(_FLOAT * values, 1)
    side = math.isqrt(pixels)
    height = min(image[0], max(side, pixels // image[1]))
    return height, min(image[1], max(pixels // max(height, 1), 1))


def _enough(model: keras.Model, image: Size, grid: Size, again: int) -> int | None:
    """A side of square tiles that will do; None: no smaller one than the image."""
    larger = image[0] + 2 * grid[0], image[1] + 2 * grid[1]
    shared, _ = shared_positions(model, larger, image, grid)
    steps = [step / axis.shift for step, axis in zip(grid, shared, strict=True)]
    own = [(axis.stop - axis.first) * step for axis, step in zip(shared, steps, strict=True)]
    overlap = max(n - each for n, each in zip(image, own, strict=True))
    for more in range(1, _TRIES):
        side = math.ceil(overlap) + more * max(grid)
        if side >= max(image):
            break
        if _tried(model, image, (min(side, image[0]), min(side, image[1])), grid, again):
            return side
    return None


def _tried(model: keras.Model, image: Size, most: Size, grid: Size, again: int) -> TilePlan | None:
    """The plan with the largest tiles that are allowed; None where these are too small."""
    height, width = (
        n if n <= limit else n - -(-(n - limit) // step) * step
        for n, limit, step in zip(image, most, grid, strict=True)
    )
    if min(height, width) < 1:
        return None
    tile, last = (height, width), (image[0] - height, image[1] - width)
    middle = min(grid[0], last[0]), min(grid[1], last[1])
    try:
        ends = [shared_positions(model, image, tile, shift)[0] for shift in ((0, 0), middle, last)]
    except TooSmallError:
        return None
    rows, columns = (
        _strips(found, tile[axis], (middle[axis], last[axis]), again)
        for axis, found in enumerate(zip(*ends, strict=True))
    )
    if rows is None or columns is None:
        return None
    return TilePlan(tile, rows, columns, (ends[0][0].whole, ends[0][1].whole))


def _strips(
    shared: Sequence[Shared], tile: int, starts: tuple[int, int], again: int
) -> tuple[Strip, ...] | None:
    """The strips along one axis, as few as there can be; None where they leave gaps.

    Args:
        shared: of a first tile, of one that touches no border, and of the last one.
        tile: pixels of a tile.
        starts: of the middle one, which is the grid, and of the last one.
        again: see `tile_plan`.
    """
    opening, middle, closing = shared
    grid, last = starts
    strips, start, covered = [], 0, 0
    for _ in count():
        one = opening if start == 0 else closing if start == last else middle
        shift = int(one.shift if one is not middle else middle.shift * start / grid)
        begin = max(covered - again, 0)
        if one.first + shift > begin or one.stop + shift <= covered:
            return None
        covered = one.stop + shift
        own = slice(begin - shift, one.stop)
        strips.append(Strip(slice(start, start + tile), slice(begin, covered), own))
        if start == last:
            break
        needed = max(covered - again, 0)
        steps = (needed - middle.first) // int(middle.shift) if middle.shift else 0
        later = min(steps * grid, last)
        if later == last and closing.first + closing.shift > needed:
            later = last - grid
        if later <= start:
            return None
        start = later
    return tuple(strips) if covered == opening.whole else None
