"""Receptive fields: the pixels of the image that a position of a feature map sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.layers.pooling import Pooling
from keras_fcn.caffe.layers.spatial import (
    FIRST,
    Axes,
    Axis,
    Seen,
    Spatial,
    Unpooled,
    Whole,
    unpooled,
)
from keras_fcn.caffe.net.extents import Extent
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.net.network import Network

Sizes = tuple[int | None, ...]

_ROWS_AND_COLUMNS = 2


class Positions(NamedTuple):
    """Where the positions of a map lie on an image.

    Attributes:
        offset: (row, column) of the pixel at the centre of position (0, 0).
        stride: pixels from one position to the next, (down, across).
    """

    offset: tuple[float, float]
    stride: tuple[float, float]


@dataclass(frozen=True)
class ReceptiveField:
    """Receptive field of a feature map, down and across.

    Attributes:
        height: along the image's height.
        width: along its width.
    """

    height: Extent
    width: Extent

    def __repr__(self) -> str:
        return f"ReceptiveField(size={self.size}, stride={self.stride}, offset={self.offset})"

    @property
    def size(self) -> tuple[float, float]:
        """Pixels that a position sees, (height, width)."""
        return self.height.size, self.width.size

    @property
    def positions(self) -> Positions:
        """Where the positions lie on the image."""
        return Positions(self.offset, self.stride)

    @property
    def stride(self) -> tuple[float, float]:
        """Pixels from one position to the next, (down, across)."""
        return float(self.height.stride), float(self.width.stride)

    @property
    def offset(self) -> tuple[float, float]:
        """Pixel at the centre of position (0, 0): (row, column)."""
        return self.height.offset, self.width.offset

    def pixels(self, row: int, column: int) -> tuple[Seen, Seen]:
        """The first and last row, and the first and last column, that a position sees.

        They may lie outside the image: there the network saw padding.
        """
        return self.height.pixels(row), self.width.pixels(column)

    def exact(
        self, cells: tuple[int, int], image: tuple[int, int], crop: tuple[int, int]
    ) -> npt.NDArray[np.bool_]:
        """Positions where a map over the image equals the classification of every crop by itself.

        Args:
            cells: rows and columns of the map.
            image: height and width of the image in pixels.
            crop: height and width of the classifier's input; the crop of position (i, j) begins
                at pixel (i, j) times the stride.

        Returns:
            (rows, columns): True where both are equal; elsewhere padding makes them differ.
        """
        rows = self.height.exact(cells[0], image[0], crop[0])
        columns = self.width.exact(cells[1], image[1], crop[1])
        return rows[:, None] & columns[None]


def output_field(network: Network) -> ReceptiveField | None:
    """The receptive field of a network's first output, for images of whatever sizes it takes.

    None where a position sees, or may see, the whole image, and where that is not known.
    """
    views: dict[tuple[str, int], View] = {}
    for layer in network.open_layers:
        if layer.is_source:
            found = [View.of_image(blob.shape or ()) for blob in layer.tops]
        else:
            found = _seen(layer, [views[blob.key] for blob in layer.bottoms])
        views.update((blob.key, view) for blob, view in zip(layer.tops, found, strict=True))
        for old, new in zip(layer.overwritten, layer.aliases, strict=True):
            views[new.key] = views[old.key]
    ends = (*network.outputs, *network.unnamed)
    return views[ends[0].key].field if ends else None


def output_positions(network: Network) -> Positions | None:
    """Where the positions of its map lie on the image; None as in `output_field`."""
    field = output_field(network)
    return None if field is None else field.positions


def _seen(layer: Layer, views: Sequence[View]) -> list[View]:
    """What each top of a layer sees."""
    shapes = tuple(blob.shape or () for blob in layer.bottoms)
    found = []
    for index, top in enumerate(layer.tops):
        spatial = layer.params.spatial(shapes, index, len(layer.tops))
        pooled = _sizes(shapes[0]) if index and isinstance(layer.params, Pooling) else None
        found.append(seen(spatial, views, _sizes(top.shape or ()), layer.place, pooled))
    return found


def _sizes(shape: Shape) -> Sizes:
    return tuple(shape[FIRST:])


@dataclass(frozen=True)
class View:
    """Receptive field of a tensor's positions.

    Attributes:
        axes: for each axis of positions; None: all of the image's.
        why: why that is not known; empty: it is.
        blind: why it sees nothing; empty: it does.
        pooled: of a mask, the windows of its pooling, and the sizes of what was pooled.
    """

    axes: tuple[Extent | None, ...] = ()
    why: str = ""
    blind: str = ""
    pooled: tuple[Axes, Sizes] | None = None

    @classmethod
    def of_image(cls, shape: Sequence[int | None]) -> View:
        """An input of the network, of a shape in Caffe's axis order."""
        count = len(shape) - FIRST
        if count < _ROWS_AND_COLUMNS:
            return cls(blind="an input that is no image")
        return cls((Extent(),) * count)

    @property
    def field(self) -> ReceptiveField | None:
        """For users: of rows and columns, which come last."""
        extents = [extent for extent in self.axes if extent is not None]
        if len(self.axes) < _ROWS_AND_COLUMNS or len(extents) < len(self.axes):
            return None
        return ReceptiveField(*extents[-_ROWS_AND_COLUMNS:])


class _UnknownError(Exception):
    """Why what an output sees cannot be told."""


def seen(
    spatial: Spatial, views: Sequence[View], sizes: Sizes, place: str, pooled: Sizes | None = None
) -> View:
    """What an output of a layer sees.

    Args:
        spatial: what the layer does.
        views: what its inputs see.
        sizes: of the output's axes of positions.
        place: the layer, for messages.
        pooled: of the mask of a pooling, the sizes of what was pooled.
    """
    read = [
        (view, axes)
        for index, view in enumerate(views)
        if (axes := spatial.axes(index, len(sizes) or 1)) and not view.blind
    ]
    unknown = next((view for view, _ in read if view.why), None)
    if unknown is not None:
        return unknown
    if not read and not spatial.why:
        blind = (view.blind for view in views if view.blind)
        return View(blind=next(blind, "numbers that no image changes"))
    mask = None if spatial.mask is None else views[spatial.mask]
    try:
        extents = _extents(spatial, read, mask, sizes)
    except _UnknownError as error:
        return View(why=f"{place}: {error}")
    return View(extents, pooled=None if pooled is None else (read[0][1], pooled))


def _extents(
    spatial: Spatial, read: Iterable[tuple[View, Axes]], mask: View | None, sizes: Sizes
) -> tuple[Extent | None, ...]:
    """Receptive field of an output along each axis, by all the inputs whose values are read."""
    if spatial.why:
        raise _UnknownError(f"its positions are {spatial.why}")
    rows: list[list[Extent | None]] = []
    for view, axes in read:
        if len(view.axes) != len(sizes):  # a vector of a map, or one for all positions
            rows.append([None] * len(sizes))
            continue
        if len(axes) != len(sizes) and sizes:
            raise _UnknownError(f"it has windows along {len(axes)} axes of {len(sizes)}")
        steps = axes if mask is None else _unpooled(axes, mask, sizes)
        rows.append([_through(*pair) for pair in zip(view.axes, steps, strict=False)])
    return tuple(map(_joined, zip(*rows, strict=True)))


def _unpooled(axes: Axes, mask: View, sizes: Sizes) -> Axes:
    """Spatial behaviour of a layer that puts elements where a pooling found them."""
    if mask.pooled is None:
        raise _UnknownError("its mask is not that of a pooling")
    windows, before = mask.pooled
    if any(None not in pair and pair[0] != pair[1] for pair in zip(before, sizes, strict=True)):
        raise _UnknownError(f"it gives maps of {sizes}, but its mask is of maps of {before}")
    return unpooled(axes, windows)


def _through(extent: Extent | None, axis: Axis) -> Extent | None:
    if extent is None or isinstance(axis, Whole | Unpooled):
        return None
    try:
        return extent.through(axis)
    except ValueError as error:
        raise _UnknownError(str(error)) from error


def _joined(extents: Sequence[Extent | None]) -> Extent | None:
    known = [extent for extent in extents if extent is not None]
    if len(known) < len(extents):
        return None
    try:
        return Extent.joined(known)
    except ValueError as error:
        raise _UnknownError(f"it joins {error}") from error
