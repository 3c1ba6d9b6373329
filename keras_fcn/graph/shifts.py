"""What a network's maps of a part of an image share with its maps of the whole image.

A part that begins `shift` pixels behind the image's first one gives maps whose positions are those
of the whole image's maps, some further on. They hold the same numbers where nothing that they see
was padding on the part alone. What each layer sees is told by its row, see
`keras_fcn.graph.spatial`.
"""

from __future__ import annotations

import dataclasses
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import keras

from keras_fcn.caffe.layers.spatial import FIRST, Axis, Unpooled, Whole, unpooled
from keras_fcn.errors import ModelError
from keras_fcn.graph.calls import Call, calls, is_graph, shapes_at
from keras_fcn.graph.positions import own_numbers, sized
from keras_fcn.graph.sizes import tensor_shapes
from keras_fcn.graph.spatial import spatial_of
from keras_fcn.layers import CaffeMaxPooling2D
from keras_fcn.layers._axes import channels_first_shape

Sizes = Mapping[int, Sequence[int | None]]
"""id of a tensor -> its shape."""
Size = tuple[int, int]


class TooSmallError(ModelError):
    """A part of an image that is too small for a network."""


class Beyond(NamedTuple):
    """A layer that gives something else on a part of an image.

    Attributes:
        name: the layer's.
        kind: its class.
        why: what it sees or does.
    """

    name: str
    kind: str
    why: str


_SEES_ALL = "each of its positions sees the whole map"


@dataclass(frozen=True)
class Shared:
    """Positions, along one axis, of a part's map that hold the numbers of the whole's.

    Attributes:
        shift: position i of the part is position `i + shift` of the whole; a fraction where the
            part begins between two of the whole's positions.
        part: positions of the part's map.
        whole: positions of the whole's.
        first: the first one that is the same.
        stop: behind the last one.
    """

    shift: Fraction
    part: int
    whole: int
    first: int
    stop: int

    def through(self, record: Axis, part: int, whole: int) -> Shared:
        """The same of a layer's top, of `part` and `whole` positions, where this is its bottom."""
        if isinstance(record, Whole | Unpooled) or not record.advance:
            raise ValueError(_SEES_ALL)
        shift = self.shift * record.period / record.advance
        # Behind an end that both share, both see the same padding.
        first = -math.inf if self.shift == 0 and self.first <= 0 else self.first
        ends = self.part + self.shift == self.whole and self.stop >= self.part
        stop = math.inf if ends else self.stop
        places = range(part)
        begin = bisect_left(places, first, key=lambda place: record.sees(place).first)
        end = bisect_left(places, stop, key=lambda place: record.sees(place).last)
        return Shared(shift, part, whole, begin, end)

    @staticmethod
    def joined(found: Sequence[Shared]) -> Shared:
        """The same of positions that read one position of each of several maps."""
        one = found[0]
        if any(other.shift != one.shift for other in found):
            raise ValueError("it joins maps of different strides")
        first, stop = max(x.first for x in found), min(x.stop for x in found)
        return dataclasses.replace(one, first=first, stop=stop)


@dataclass(frozen=True)
class _Map:
    """What the two maps of a tensor share, along each axis; of none: no image changes it.

    Attributes:
        axes: along each axis.
        pooled: of a mask, the windows of its pooling and the sizes of what was pooled.
        step: what a shift has to be multiplied by for this map, and those that it is made of, to
            begin at a position of the whole's.
        lies_nowhere: whether its positions are none of the whole's.
    """

    axes: tuple[Shared, ...] = ()
    pooled: tuple[tuple[Axis, ...], tuple[int, ...]] | None = None
    step: Size = (1, 1)
    lies_nowhere: bool = False

    def after(self, bottoms: Sequence[_Map]) -> _Map:
        """The map with the steps of those that it is made of."""
        placed = [one for one in bottoms if not one.lies_nowhere] or bottoms
        own = [axis.shift.denominator for axis in self.axes]
        own = own if len(own) == len(self.step) else [1, 1]
        rows, columns = (
            math.lcm(*each) for each in zip(own, *(one.step for one in placed), strict=True)
        )
        return dataclasses.replace(self, step=(rows, columns))


def shared_positions(
    model: keras.Model, whole: Size, part: Size, shift: Size, beyond: list[Beyond] | None = None
) -> tuple[tuple[Shared, ...], Size]:
    """What the output for a part of an image shares with the output for all of it.

    Args:
        model: a network of one input, images (N, H, W, C), and one output, a map.
        whole: (height, width) of the image.
        part: those of the part.
        shift: the part's first row and column.
        beyond: gets the layers that give something else on a part. They count as if each of their
            positions saw its own alone; where such a layer changes the size of its map, positions
            of it lie nowhere in the whole's. None: such a layer is an error.

    Returns:
        What is shared along rows and along columns, nothing where the output's positions lie
        nowhere in the whole's; and what `shift` has to be multiplied by for all maps of the part
        to begin at a position of the whole's.

    Raises:
        ModelError: a layer gives something else on a part; the error names it.
    """
    channels = model.inputs[0].shape[-1]
    found = (tensor_shapes(model, ((1, *size, channels),)) for size in (part, whole))
    shapes = [each for each in found if each is not None]
    if len(shapes) < 2 or any(0 in shape for shape in shapes[0].values()):
        raise TooSmallError(f"model {model.name!r} takes no images of {part[0]} x {part[1]}")
    axes = zip(shift, part, whole, strict=True)
    image = _Map(tuple(Shared(Fraction(begin), one, all_, 0, one) for begin, one, all_ in axes))
    output = _walk(model, [image], shapes, beyond)[id(model.outputs[0])]
    if output.lies_nowhere:
        return (), output.step
    if output.pooled is not None or len(output.axes) != len(whole):
        what = "places in the whole map" if output.pooled else "no map of its image"
        raise ModelError(f"model {model.name!r} gives {what}, which parts of an image do not give")
    return output.axes, output.step


def _walk(
    model: keras.Model,
    given: Sequence[_Map],
    shapes: Sequence[Sizes],
    beyond: list[Beyond] | None,
) -> dict[int, _Map]:
    """What the maps of each tensor share."""
    found = dict(zip(map(id, model.inputs), given, strict=True))
    for call in calls(model):
        if not call.inputs:
            for tensor in call.outputs:
                found.setdefault(id(tensor), _Map())
            continue
        bottoms = [found[id(tensor)] for tensor in call.inputs]
        try:
            tops = _tops(call, bottoms, shapes, beyond)
        except ModelError:
            raise
        except ValueError as error:
            one = Beyond(call.operation.name, type(call.operation).__name__, str(error))
            if beyond is None:
                raise ModelError(
                    f"layer {one.name!r} ({one.kind}): {error}, so that parts of an image do not "
                    "give what the whole gives"
                ) from error
            beyond.append(one)
            tops = _as_if_local(call, bottoms, shapes[0])
        found.update(zip(map(id, call.outputs), tops, strict=True))
    return found


def _as_if_local(call: Call, bottoms: Sequence[_Map], shapes: Sizes) -> list[_Map]:
    """The tops of a layer that sees all, as if each position saw its own of a map of its size."""
    part, tops = sized(call, shapes), []
    for tensor in part.outputs:
        alike = (
            _Map(one.axes)
            for one, bottom in zip(bottoms, part.inputs, strict=True)
            if one.axes and _sizes(bottom) == _sizes(tensor)
        )
        tops.append(next(alike, _Map(lies_nowhere=True)).after(bottoms))
    return tops


def _tops(
    call: Call, bottoms: Sequence[_Map], shapes: Sequence[Sizes], beyond: list[Beyond] | None
) -> list[_Map]:
    if any(one.lies_nowhere for one in bottoms) and not any(one.axes for one in bottoms):
        return [_Map(lies_nowhere=True).after(bottoms) for _ in call.outputs]
    inner = call.operation
    if isinstance(inner, keras.Model) and is_graph(inner):
        names = [tensor.name for tensor in inner.inputs]
        given = [[tuple(sizes[id(tensor)]) for tensor in call.inputs] for sizes in shapes]
        inside = [shapes_at(inner, dict(zip(names, each, strict=True))) for each in given]
        found = _walk(inner, bottoms, inside, beyond)
        return [found[id(tensor)] for tensor in inner.outputs]
    if why := own_numbers(call):
        raise ValueError(f"it {why}")
    return [_top(call, index, bottoms, shapes).after(bottoms) for index in range(len(call.outputs))]


def _top(call: Call, index: int, bottoms: Sequence[_Map], shapes: Sequence[Sizes]) -> _Map:
    part, whole = (sized(call, sizes) for sizes in shapes)
    spatial = spatial_of(part, index)
    if spatial.why:
        raise ValueError(f"its positions are {spatial.why}")
    if spatial != spatial_of(whole, index) or spatial.fixes_size:
        raise ValueError("what it does follows from the size of the image")
    sizes = [_sizes(one.outputs[index]) for one in (part, whole)]
    rows = []
    for place, bottom in enumerate(bottoms):
        axes = spatial.axes(place, len(sizes[0]) or 1)
        if not axes or bottom.lies_nowhere:
            continue
        if not bottom.axes:
            if any(size != 1 for size in _sizes(part.inputs[place])):
                raise ValueError("it reads a map that no image gives")
            continue
        if len(bottom.axes) != len(sizes[0]) or len(axes) != len(sizes[0]):
            raise ValueError(_SEES_ALL)
        if spatial.mask is not None:
            axes = _unpooled(axes, bottoms[spatial.mask], sizes[0])
        elif bottom.pooled is not None:
            raise ValueError("it reads places in the whole map, which a part numbers otherwise")
        rows.append(
            [one.through(*each) for one, *each in zip(bottom.axes, axes, *sizes, strict=True)]
        )
    if not rows:
        return _Map()
    found = tuple(Shared.joined(axis) for axis in zip(*rows, strict=True))
    if index and isinstance(call.operation, CaffeMaxPooling2D):
        return _Map(found, (spatial.axes(0, len(found)), _sizes(part.inputs[0])))
    return _Map(found)


def _unpooled(axes: Sequence[Axis], mask: _Map, sizes: tuple[int, ...]) -> tuple[Axis, ...]:
    """What a layer sees that puts elements where a pooling found them."""
    if mask.pooled is None:
        raise ValueError("its mask is not that of a pooling")
    windows, before = mask.pooled
    if before != sizes:
        raise ValueError(f"it gives maps of {sizes}, but its mask is of maps of {before}")
    return unpooled(axes, windows)


def _sizes(tensor: Any) -> tuple[int, ...]:
    return tuple(channels_first_shape(tensor.shape)[FIRST:])
