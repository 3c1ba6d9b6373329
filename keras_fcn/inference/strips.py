"""What each strip of tiles reads of an image on the disk, and what it gives of the result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from keras_fcn.graph.tile_plans import Strip

__all__ = ["Part", "cells_of", "pixels_of"]


@dataclass(frozen=True)
class Part:
    """A strip of rows or of columns.

    Attributes:
        pixels: what it reads of the image, as the network takes it.
        own: positions of the tile's map that are used.
        out: what it gives of the result; it may be nothing.
        places: where that lies among `own`.
        seen: the image's pixel at each place.
    """

    pixels: slice
    own: slice
    out: slice
    places: np.ndarray
    seen: np.ndarray


def pixels_of(strips: Sequence[Strip], places: np.ndarray) -> Iterator[Part]:
    """The parts where the result is of an image's pixels.

    Args:
        strips: each but the first gives the last position of the one before, too.
        places: of each pixel among the positions of the whole map, ascending.
    """
    places = np.clip(places, 0, strips[-1].cells.stop - 1)
    needed, covered = np.ceil(places), 0
    for strip in strips:
        stop = int(np.searchsorted(needed, strip.cells.stop))
        out = slice(covered, stop)
        covered = stop
        own, found = slice(0, 0), places[out]
        if len(found):
            first = int(found[0])
            begin = strip.own.start + first - strip.cells.start
            own = slice(begin, begin + int(np.ceil(found[-1])) - first + 1)
            found = found - first
        yield Part(strip.pixels, own, out, found, np.arange(out.start, out.stop))


def cells_of(
    strips: Sequence[Strip], cells: int, offset: float, stride: float, pixels: int
) -> Iterator[Part]:
    """The parts where the result is the map.

    Args:
        strips: which overlap in no position.
        cells: positions of the result; what the map has more is left out.
        offset: pixel of the image at the centre of position 0.
        stride: pixels from one position to the next.
        pixels: of the image.
    """
    for strip in strips:
        out = slice(strip.cells.start, max(min(strip.cells.stop, cells), strip.cells.start))
        places = np.arange(out.stop - out.start)
        centres = np.rint(offset + stride * np.arange(out.start, out.stop))
        seen = np.clip(centres, 0, pixels - 1).astype(np.intp)
        own = slice(strip.own.start, strip.own.start + len(places))
        yield Part(strip.pixels, own, out, places, seen)
