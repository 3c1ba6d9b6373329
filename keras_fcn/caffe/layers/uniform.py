"""Whether a layer does the same at every position of a map, of whatever size the map is.

Only then is each position of a larger map what a network gives on its own part of the image; at
the borders padding makes the one difference.
"""

from __future__ import annotations

from collections.abc import Sequence

from keras_fcn.caffe.layers.base import Shape, Shapes
from keras_fcn.caffe.layers.spatial import (
    FIRST,
    Axis,
    Resampled,
    Spatial,
    Spread,
    Unpooled,
    Whole,
    Windows,
)

OWN_NUMBERS = "has numbers of its own for each position"
"""What keeps a layer with weights, or constants, along axes of positions from another size."""
_ROUNDING = 2
"""Sizes are rounded: two maps of one growth may differ by less than this many positions."""


def description(spatial: Spatial) -> str:
    """Description of a layer that is neither in place nor windows over its map."""
    if spatial.why:
        return f"gives positions that are {spatial.why}"
    kinds = {
        Whole: "sees all of the map",
        Spread: "upsamples",
        Resampled: "resizes",
        Unpooled: "puts elements where a mask says",
    }
    return next(
        text for kind, text in kinds.items() if any(isinstance(x, kind) for x in spatial.every)
    )


def obstacle(spatial: Spatial) -> str:
    """What keeps a layer from doing the same at every position; empty: nothing does."""
    if spatial.why or any(isinstance(axis, Whole) for axis in spatial.every):
        return description(spatial)
    if spatial.fixes_size:
        return "gives maps of one size, whatever the size of the image"
    if any(isinstance(axis, Resampled) and axis.step is None for axis in spatial.every):
        return "resizes by what depends on the size of the image"
    return ""


def obstacle_to_growth(
    spatials: tuple[Spatial, Spatial], bottoms: tuple[Shapes, Shapes], tops: tuple[Shape, Shape]
) -> str:
    """What keeps a layer from doing on a larger map what it does on a map; empty: nothing does.

    Args:
        spatials: its spatial behaviour on the one map, and on the larger one.
        bottoms: the shapes of its bottoms, likewise, in Caffe's axis order.
        tops: the shape of the top, likewise.
    """
    small, large = spatials
    found = obstacle(small) or obstacle(large)
    if found:
        return found
    count = len(tops[0]) - FIRST
    for place, shapes in enumerate(zip(*bottoms, strict=True)):
        axes = small.axes(place, count)
        if [*map(_kind, axes)] != [*map(_kind, large.axes(place, count))]:
            return "does something else on a map of another size"
        if any(_differs(*pair) for pair in zip(axes, _growth(shapes), _growth(tops), strict=False)):
            return "gives a map that does not grow with the image"
    return ""


def _kind(axis: Axis) -> object:
    """All of a record but its padding, which may depend on the size as TensorFlow's does."""
    return (axis.length, axis.stride, axis.dilation) if isinstance(axis, Windows) else axis


def _growth(shapes: Sequence[Shape]) -> list[int | None]:
    """Positions that the larger map has more, along each axis."""
    pairs = zip(*(shape[FIRST:] for shape in shapes), strict=True)
    return [None if one is None or more is None else more - one for one, more in pairs]


def _differs(axis: Axis, before: int | None, after: int | None) -> bool:
    if before is None or after is None or isinstance(axis, Unpooled | Whole):
        return False
    return abs(after * axis.advance - before * axis.period) >= _ROUNDING * axis.advance
