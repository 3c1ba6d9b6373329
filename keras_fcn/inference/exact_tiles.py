"""Passes over images tile by tile that give what one pass over the whole image gives."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_fcn.cards.card import card_of
from keras_fcn.inference.score_maps import Forward
from keras_fcn.inference.structure import keras_structure

if TYPE_CHECKING:
    import keras

__all__ = ["MEMORY", "Tile", "in_tiles"]

Tile = int | tuple[int, int] | str | None
"""The largest (height, width) of a tile, one number for both; `"auto"`; None for no tiles."""
MEMORY = 2 << 30
"""Bytes that the maps of a tile take at most, where its size is `"auto"`."""


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
    most = _most(tile)
    if card_of(model).tiles is not None:
        raise ValueError(
            f"{model.name!r} carries the tiles that it was published with, which are used; leave "
            f"`tile` out. Received: tile={tile!r}"
        )
    network = keras_structure(model)

    def passed(images: np.ndarray) -> np.ndarray:
        from keras_fcn.graph.tile_plans import memory_tile, tile_plan

        height, width = images.shape[1:3]
        size = (height, width)
        asked = most or memory_tile(network, size, MEMORY)
        fixed = network.inputs[0].shape[1:3]  # along which an image cannot be cut
        axes = zip(asked, size, fixed, strict=True)
        largest = tuple(min(one, n) if free is None else n for one, n, free in axes)
        if largest == size:
            return forward(images)
        plan = tile_plan(network, size, largest)
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


def _most(tile: Any) -> tuple[int, int] | None:
    """The largest height and width of a tile; None where memory tells them."""
    if isinstance(tile, str) and tile == "auto":
        return None
    sides = tile if isinstance(tile, tuple | list) else (tile, tile)
    try:
        height, width = (operator.index(side) for side in sides if not isinstance(side, bool))
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise ValueError(
            "`tile` must be 'auto', a number of pixels, or a (height, width) of them. "
            f"Received: tile={tile!r}"
        )
    return height, width
