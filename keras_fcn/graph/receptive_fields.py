"""Receptive fields: the pixels of the image that a position of a feature map sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

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
from keras_fcn.graph.calls import Call, calls, check_graph, is_graph
from keras_fcn.graph.extents import Extent
from keras_fcn.graph.spatial import spatial_of
from keras_fcn.kept import kept
from keras_fcn.layers import CaffeMaxPooling2D
from keras_fcn.layers._axes import channels_first_shape

Sizes = tuple[int | None, ...]


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


class ReceptiveFields(dict[str, ReceptiveField | None]):
    """Blob name -> its receptive field; None where a position sees, or may see, the whole image.

    Attributes:
        unknown: blob name -> why its field, which is None too, is not known.
    """

    def __init__(
        self, fields: Mapping[str, ReceptiveField | None], unknown: Mapping[str, str]
    ) -> None:
        super().__init__(fields)
        self.unknown = dict(unknown)


def receptive_field(model: keras.Model) -> ReceptiveFields:
    """Compute the receptive field of every blob of a network.

    Args:
        model: a functional or sequential model on images (N, H, W, C).

    Returns:
        Blob name (Caffe's, where the model knows it, else the layer's) -> its receptive
        field, which is None where each position sees the whole image. It is None as well where
        it is not known, and `.unknown` then has the blob's name and the reason. A position
        that sums branches sees what any of them sees.

    Raises:
        ValueError: the model is not a graph of layers, or has a `call` of its own.
    """
    check_graph(model)
    views = _views(model)
    card: Any = getattr(model, "card", None)  # of `keras_fcn.core`, a room above this one
    known: Mapping[str, tuple[str, int]] = getattr(card, "blobs", {})
    places = known or {name: (name, 0) for name, index in views if index == 0}
    found = {name: views.get(place, _MISSING) for name, place in places.items()}
    return ReceptiveFields(
        {name: view.field for name, view in found.items()},
        {name: why for name, view in found.items() if (why := view.why or view.blind)},
    )


@kept
def output_field(model: keras.Model) -> ReceptiveField | None:
    """The receptive field of a network's (first) output; None as in `receptive_field`."""
    if not is_graph(model):
        return None
    history = model.outputs[0]._keras_history
    return _views(model)[history.operation.name, history.tensor_index].field


@dataclass(frozen=True)
class _View:
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

    @property
    def field(self) -> ReceptiveField | None:
        """For users: of rows and columns, which come last."""
        extents = [extent for extent in self.axes if extent is not None]
        if len(self.axes) < _ROWS_AND_COLUMNS or len(extents) < len(self.axes):
            return None
        return ReceptiveField(*extents[-_ROWS_AND_COLUMNS:])


_ROWS_AND_COLUMNS = 2
_MISSING = _View(why="no layer of the model makes it")


class _UnknownError(Exception):
    """Why what an output sees cannot be told."""


def _views(model: keras.Model) -> dict[tuple[str, int], _View]:
    """(operation name, index of its output) -> what it sees."""
    views = {id(tensor): _image(tensor) for tensor in model.inputs}
    named = {}
    for call in _followed(model, views):
        found = enumerate(views[id(tensor)] for tensor in call.outputs)
        named.update({(call.operation.name, index): view for index, view in found})
    return named


def _image(tensor: Any) -> _View:
    count = len(tensor.shape) - FIRST
    if count < _ROWS_AND_COLUMNS:
        return _View(blind="an input that is no image")
    return _View((Extent(),) * count)


def _followed(model: keras.Model, views: dict[int, _View]) -> Iterator[Call]:
    """The calls of a model, each when its outputs have got their views."""
    for call in calls(model):
        if call.inputs:
            seen = _seen(call, [views[id(tensor)] for tensor in call.inputs])
            views.update(zip(map(id, call.outputs), seen, strict=True))
        yield call


def _seen(call: Call, views: Sequence[_View]) -> list[_View]:
    """Receptive field of each output of a call."""
    inner = call.operation
    if isinstance(inner, keras.Model) and is_graph(inner):
        known = dict(zip(map(id, inner.inputs), views, strict=True))
        for _ in _followed(inner, known):
            pass
        return [known[id(tensor)] for tensor in inner.outputs]
    return [_of_output(call, index, views) for index in range(len(call.outputs))]


def _of_output(call: Call, index: int, views: Sequence[_View]) -> _View:
    spatial, sizes = spatial_of(call, index), _sizes(call.outputs[index])
    read = [
        (view, axes)
        for place, view in enumerate(views)
        if (axes := spatial.axes(place, len(sizes) or 1)) and not view.blind
    ]
    unknown = next((view for view, _ in read if view.why), None)
    if unknown is not None:
        return unknown
    if not read and not spatial.why:
        blind = (view.blind for view in views if view.blind)
        return _View(blind=next(blind, "numbers that no image changes"))
    mask = None if spatial.mask is None else views[spatial.mask]
    try:
        extents = _extents(spatial, read, mask, sizes)
    except _UnknownError as error:
        operation = call.operation
        return _View(why=f"layer {operation.name!r} ({type(operation).__name__}): {error}")
    if index and isinstance(call.operation, CaffeMaxPooling2D):
        return _View(extents, pooled=(read[0][1], _sizes(call.inputs[0])))
    return _View(extents)


def _extents(
    spatial: Spatial, read: Iterable[tuple[_View, Axes]], mask: _View | None, sizes: Sizes
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


def _unpooled(axes: Axes, mask: _View, sizes: Sizes) -> Axes:
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


def _sizes(tensor: Any) -> Sizes:
    return tuple(channels_first_shape(tensor.shape)[FIRST:])
