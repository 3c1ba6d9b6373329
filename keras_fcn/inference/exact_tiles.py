"""Passes over images tile by tile that give what one pass over the whole image gives."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_fcn.caffe.words import either, quoted
from keras_fcn.cards.card import card_of
from keras_fcn.inference.score_maps import Forward
from keras_fcn.inference.structure import keras_structure

if TYPE_CHECKING:
    import keras

    from keras_fcn.graph.tile_plans import TilePlan

__all__ = ["MEMORY", "Tile", "image_plan", "in_tiles"]

Tile = int | tuple[int, int] | str | None
"""The largest (height, width) of a tile, one number for both; or the memory that its maps may take,
such as `"500MB"` or `"4GB"`, with `"auto"` for `MEMORY`; None for no tiles."""
MEMORY = 2 << 30
"""Bytes that the maps of a tile take at most, where its size is `"auto"`."""
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?) ?([MG])i?B")


def in_tiles(model: keras.Model, forward: Forward, tile: Tile) -> Forward:
    """A pass tile by tile, in the memory of a tile and of the map.

    Args:
        model: a network whose output is a map of the image.
        forward: its pass: (N, height, width, channels) to (N, rows, columns, classes).
        tile: see `Tile`.

    Returns:
        A pass that gives what `forward` gives, within rounding. It raises a ModelError, which
        names the layer, where parts of an image do not give what the whole gives; and a ValueError
        where the tile is too small.

    Raises:
        ValueError: the tile is none, or the model carries tiles of its own.
    """
    if tile is None:
        return forward
    _most(tile)
    if card_of(model).tiles is not None:
        raise ValueError(
            f"{model.name!r} carries the tiles that it was published with, which are used; leave "
            f"{quoted('tile')} out. Received: {_told(tile)}"
        )
    network = keras_structure(model)

    def passed(images: np.ndarray) -> np.ndarray:
        plan = image_plan(network, images.shape[1:3], tile)
        if plan is None:
            return forward(images)
        whole = np.empty(0)
        for rows in plan.rows:
            for columns in plan.columns:
                found = forward(images[:, rows.pixels, columns.pixels])
                if not whole.size:
                    shape = (len(images), *plan.cells, found.shape[-1])
                    whole = np.empty(shape, found.dtype)
                whole[:, rows.cells, columns.cells] = found[:, rows.own, columns.own]
        return whole

    return passed


def image_plan(network: keras.Model, size: Any, tile: Tile, again: int = 0) -> TilePlan | None:
    """The tiles of an image; None where one takes all of it.

    Args:
        network: of Keras layers.
        size: (height, width) of the image, which the network takes.
        tile: see `Tile`; not None.
        again: see `keras_fcn.graph.tile_plans.tile_plan`.

    Raises:
        ModelError, ValueError: see `in_tiles`.
    """
    from keras_fcn.errors import ModelError
    from keras_fcn.graph.tile_plans import memory_tile, tile_plan

    most = _most(tile)
    asked = memory_tile(network, size, most) if isinstance(most, int) else most
    fixed = network.inputs[0].shape[1:3]  # along which an image cannot be cut
    axes = zip(asked, size, fixed, strict=True)
    height, width = (min(one, n) if free is None else n for one, n, free in axes)
    if (height, width) == tuple(size):
        return None
    try:
        return tile_plan(network, tuple(size), (height, width), again)
    except ModelError as error:
        raise ModelError(f"{_told(tile)}: {error}") from error


def _told(tile: Tile) -> str:
    """A tile as it was given."""
    sides = "x".join(map(str, tile)) if isinstance(tile, tuple | list) else tile
    return either(f"tile={tile!r}", f"--tile {sides}")


def _most(tile: Any) -> tuple[int, int] | int:
    """The largest height and width of a tile, or the memory of its maps in bytes."""
    if isinstance(tile, str):
        if tile == "auto":
            return MEMORY
        amount = _AMOUNT.fullmatch(tile)
        if amount and float(amount[1]):
            return int(float(amount[1]) * (1 << {"M": 20, "G": 30}[amount[2]]))
    sides = tile if isinstance(tile, tuple | list) else (tile, tile)
    try:
        height, width = (operator.index(side) for side in sides if not isinstance(side, bool))
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise ValueError(
            f"{quoted('tile')} must be a number of pixels, a (height, width) of them, 'auto', or "
            f"the memory that a tile's maps may take, such as '500MB' or '4GB'. Received: "
            f"{_told(tile)}"
        )
    return height, width
