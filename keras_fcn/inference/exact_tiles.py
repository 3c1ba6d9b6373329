"""Passes over images tile by tile that give what one pass over the whole image gives.

Where they cannot, and that is allowed, the maps of the tiles are blended.
"""

from __future__ import annotations

import logging
import operator
import re
import warnings
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.caffe.words import either, quoted
from keras_fcn.cards.card import card_of
from keras_fcn.inference.blending import Approximation, Blend, blended
from keras_fcn.inference.score_maps import Forward
from keras_fcn.inference.structure import ends_in_labels, fitting_size_of, keras_structure

if TYPE_CHECKING:
    import keras

    from keras_fcn.graph.blended_tiles import Blended
    from keras_fcn.graph.tile_plans import TilePlan

__all__ = ["MEMORY", "Tile", "image_plan", "in_tiles", "is_blended", "outgrows"]

logger = logging.getLogger("keras_fcn")

Tile = int | tuple[int, int] | str | None
"""The largest (height, width) of a tile, one number for both; or the memory that its maps may take,
such as `"500MB"` or `"4GB"`, with `"auto"` for `MEMORY`; None for no tiles."""
MEMORY = 2 << 30
"""Bytes that the maps of a tile take at most, where its size is `"auto"`."""
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?) ?([MG])i?B")


def in_tiles(
    model: keras.Model, forward: Forward, tile: Tile, blend: Blend | None = None
) -> Forward:
    """A pass tile by tile, in the memory of a tile and of the map.

    Args:
        model: a network whose output is a map of the image.
        forward: its pass: (N, height, width, channels) to (N, rows, columns, classes).
        tile: see `Tile`; where tiles may be blended, None is `"auto"`.
        blend: that they may be, if they have to; a warning tells how it was done.

    Returns:
        A pass that gives what `forward` gives, within rounding. It raises a ModelError, which
        names the layer, where parts of an image do not give what the whole gives; and a ValueError
        where the tile is too small.

    Raises:
        ValueError: the tile is none, or the model carries tiles of its own.
    """
    if tile is None:
        if blend is None:
            return forward
        tile = "auto"
    _most(tile)
    if card_of(model).tiles is not None:
        raise ValueError(
            f"{model.name!r} carries the tiles that it was published with, which are used; leave "
            f"{quoted('tile')} out. Received: {_told(tile)}"
        )
    return _InTiles(forward, keras_structure(model), tile, blend)


class _InTiles:
    """See `in_tiles`."""

    def __init__(
        self, forward: Forward, network: keras.Model, tile: Tile, blend: Blend | None
    ) -> None:
        self._forward, self._network = forward, network
        self._tile, self._blend = tile, blend
        self._found: Blended | None = None  # for the images that are brought to its size next

    def size_for(self, size: tuple[int, ...]) -> tuple[int, int]:
        """The (height, width) that images of such a size are brought to."""
        plan = self._plan(size)
        self._found = plan if plan is not None and is_blended(plan) else None
        return (size[0], size[1]) if self._found is None else self._found.whole

    def __call__(self, images: np.ndarray) -> np.ndarray:
        size = images.shape[1:3]
        known = self._found is not None and self._found.whole == size
        plan = self._found if known else self._plan(size)
        if plan is None:
            return self._forward(images)
        if is_blended(plan):
            warnings.warn(str(Approximation.of(plan)), CaffeWarning, stacklevel=6)
            return blended(plan, self._forward, images)
        if self._blend is not None:
            logger.info("tiles of %s are exact: none is blended", self._network.name)
        whole = np.empty(0)
        for rows in plan.rows:
            for columns in plan.columns:
                found = self._forward(images[:, rows.pixels, columns.pixels])
                if not whole.size:
                    shape = (len(images), *plan.cells, found.shape[-1])
                    whole = np.empty(shape, found.dtype)
                whole[:, rows.cells, columns.cells] = found[:, rows.own, columns.own]
        return whole

    def _plan(self, size: tuple[int, ...]) -> TilePlan | None:
        return image_plan(self._network, size, self._tile, blend=self._blend)


def is_blended(plan: TilePlan) -> TypeGuard[Blended]:
    """Whether the tiles of a plan are blended."""
    return hasattr(plan, "beyond")


def outgrows(model: keras.Model, size: Any) -> bool:
    """Whether an image is larger than the one size that a network takes along an axis."""
    fixed = model.inputs[0].shape[1:3]
    return any(own is not None and n > own for own, n in zip(fixed, size, strict=True))


def image_plan(
    network: keras.Model, size: Any, tile: Tile, again: int = 0, blend: Blend | None = None
) -> TilePlan | None:
    """The tiles of an image; None where one takes all of it.

    Args:
        network: of Keras layers.
        size: (height, width) of the image, which the network takes; of any image where its tiles
            may be blended.
        tile: see `Tile`; not None.
        again: see `keras_fcn.graph.tile_plans.tile_plan`.
        blend: see `in_tiles`.

    Raises:
        ModelError, ValueError: see `in_tiles`.
    """
    from keras_fcn.errors import ModelError
    from keras_fcn.graph.tile_plans import memory_tile, tile_plan

    most = _most(tile)
    whole = fitting_size_of(network, tuple(size))
    asked = memory_tile(network, whole, most) if isinstance(most, int) else most
    fixed = network.inputs[0].shape[1:3]  # along which an image cannot be cut
    axes = zip(asked, size, fixed, strict=True)
    height, width = (min(one, n) if free is None else n for one, n, free in axes)
    is_larger = blend is not None and outgrows(network, size)
    if (height, width) == tuple(size) and not is_larger:
        return None
    try:
        if not is_larger:
            return tile_plan(network, tuple(size), (height, width), again)
    except ModelError as error:
        if blend is None:
            nearly = either("approximate=True", "--approximate")
            raise ModelError(
                f"{_told(tile)}: {error}; {nearly} gives a map that is near it, and says so"
            ) from error
    from keras_fcn.graph.blended_tiles import blended_plan

    return blended_plan(
        *(network, tuple(size), whole, (height, width), blend and blend.overlap, again),
        hard=ends_in_labels(network),
    )


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
