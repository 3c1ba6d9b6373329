"""Cast rules of the layer types: their form when the vectors that they read become maps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import activation, concat, normalization
from keras_fcn.caffe.layers.accuracy import Accuracy
from keras_fcn.caffe.layers.base import LayerParams, canonical_axis, known
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.inner_product import InnerProduct
from keras_fcn.caffe.layers.loss import Loss
from keras_fcn.caffe.layers.pooling import Pooling
from keras_fcn.caffe.layers.reduction import ArgMax
from keras_fcn.caffe.layers.scale import Bias, Scale, ScaleByBottom
from keras_fcn.caffe.layers.shape import Flatten, Reshape, Silence
from keras_fcn.caffe.layers.spatial import Channels
from keras_fcn.caffe.layers.ssd import Normalize, Permute, UnitNormalize
from keras_fcn.caffe.net.network import Layer
from keras_fcn.caffe.records import dataclass
from keras_fcn.caffe.surgery.layouts import Layout, kernel_order

Blobs = Sequence[Any]
Edit = Callable[[Any], LayerParams]


@dataclass(frozen=True)
class Moved:
    """A layer's place in the cast network.

    Attributes:
        tops: what its tops hold; none where they stay what they were.
        edit: old parameters -> new ones; None where they stay.
        type: its new type, where that is another.
        blobs: gives its blobs in their new shapes.
        dropped: whether it has nothing left to do.
    """

    tops: tuple[Layout, ...] = ()
    edit: Edit | None = None
    type: str | None = None
    blobs: Callable[[Blobs], list[Any]] | None = None
    dropped: bool = False


Rule = Callable[[Layer[Any], "Sequence[Layout | None]"], Moved]
"""(layer, what its bottoms hold; None: what they held before) -> its place, or an error."""


def moved(layer: Layer, bottoms: Sequence[Layout | None]) -> Moved:
    """A layer's place behind what has become a map.

    Raises:
        NetworkError: it cannot do on a map what it did on vectors.
    """
    rule = next((RULES[c] for c in type(layer.params).__mro__ if c in RULES), None)
    rule = rule or _KINDS.get(layer.params.channels)
    if rule is None:
        raise NetworkError("reads what becomes a map, on which this type has no form")
    return rule(layer, bottoms)


def _all(bottoms: Sequence[Layout | None]) -> list[Layout]:
    found = [bottom for bottom in bottoms if bottom is not None]
    if len(found) < len(bottoms):
        raise NetworkError("reads what becomes a map beside a blob that does not, or not so")
    return found


def _each(layer: Layer, bottoms: Sequence[Layout | None]) -> Moved:
    (bottom, *others) = _all(bottoms)
    if any(other != bottom for other in others):
        raise NetworkError(f"its bottoms lie differently on the map: {[bottom, *others]}")
    return Moved((bottom,) * len(layer.tops))


def _per_channel(layer: Layer, bottoms: Sequence[Layout | None]) -> Moved:
    (bottom,) = _all(bottoms)
    _channels_at(bottom, 1)
    return Moved((bottom,))


def _normalize(layer: Layer, bottoms: Sequence[Layout | None]) -> Moved:
    """The norm over all of a vector is one over the channels of a position."""
    (bottom,) = _all(bottoms)
    _channels_at(bottom, 1)
    everywhere = hasattr(layer.params, "across_spatial")
    return Moved((bottom,), _with(across_spatial=False) if everywhere else None)


def _with(**values: Any) -> Edit:
    """Parameters with other values."""
    return lambda params: replace(params, **values)


_ALONG_CHANNELS = _with(axis=1)


def _local_response(layer: Layer[normalization.LRN], bottoms: Sequence[Layout | None]) -> Moved:
    if layer.params.norm_region != "ACROSS_CHANNELS":
        raise NetworkError("normalizes over neighbours, which the classifier's one cell has not")
    return _per_channel(layer, bottoms)


def _channels_at(layout: Layout, axis: int, field: str = "axis") -> int:
    """The axis behind the batch that holds the channels, and nothing else."""
    place = canonical_axis(axis, len(layout.axes) + 1) - 1
    if place < 0 or not layout.is_cell or not layout.holds_channels(place):
        raise NetworkError(
            f"{field}: {axis} of what becomes a map does not hold its channels alone; behind an "
            "inner product or global pooling, axis 1 does"
        )
    return place


def _along(
    layer: Layer[activation.Softmax | concat.Concat | concat.Slice | concat.Tile],
    bottoms: Sequence[Layout | None],
) -> Moved:
    return _along_axis(layer, bottoms, layer.params.axis)


def _along_axis(layer: Layer, bottoms: Sequence[Layout | None], axis: int) -> Moved:
    """Layers that work along the channels."""
    layouts = _all(bottoms)
    places = {_channels_at(layout, axis) for layout in layouts}
    ranks = {len(layout.axes) for layout in layouts}
    if len(places) > 1 or len(ranks) > 1:
        raise NetworkError(f"its bottoms lie differently on the map: {layouts}")
    place = places.pop()
    shapes = tuple((None, *layout.shape) for layout in layouts)
    tops = layer.params.top_shapes(shapes, len(layer.tops))
    counts = [top[place + 1] or 0 for top in tops]
    kept = tuple(layouts[0].with_channels(place, count) for count in counts)
    return Moved(kept[: len(layer.tops)], _ALONG_CHANNELS)


def _argmax(layer: Layer[ArgMax], bottoms: Sequence[Layout | None]) -> Moved:
    params = layer.params
    if params.axis is not None:
        return _along_axis(layer, bottoms, params.axis)
    (bottom,) = _all(bottoms)
    if not bottom.is_cell or params.out_max_val:
        raise NetworkError("without an axis it looks over all positions of the map; give axis: 1")
    ones = len(layer.tops[0].shape or ()) - 3
    return Moved((Layout.of(("", "C", *[""] * ones), params.top_k),), _ALONG_CHANNELS)


def _scale(layer: Layer[Scale | Bias], bottoms: Sequence[Layout | None]) -> Moved:
    params = layer.params
    first, *operand = _all(bottoms)
    rank = len(first.axes) + 1
    if operand:
        if (params.axis % rank, operand[0]) != (0, first):
            raise NetworkError("the second bottom lies differently on the map")
        return Moved((first,))
    shape = params.operand_shape(((None, *first.shape),))
    if not shape:
        return Moved((first,))
    start = canonical_axis(params.axis, rank)
    places = list(range(start - 1, start - 1 + len(shape)))
    if not first.is_cell or not any(place >= 0 and first.holds_channels(place) for place in places):
        raise NetworkError(f"axis: {params.axis} does not lie along the channels of the map")
    own = {"num_axes": 1} if hasattr(params, "num_axes") else {}
    edit = _with(axis=1, **own)
    return Moved((first,), edit, blobs=lambda blobs: [blob.reshape(-1) for blob in blobs])


def _reshaped(layer: Layer[Flatten | Reshape], bottoms: Sequence[Layout | None]) -> Moved:
    (bottom,) = _all(bottoms)
    params = layer.params
    declared = layer.bottoms[0].shape or (None,)
    rule = params
    if isinstance(params, Flatten):
        rule = params.as_reshape(len(bottom.axes) + 1)
    else:
        rule = Reshape(shape=params.sizes(declared), axis=params.axis, num_axes=params.num_axes)
    tops = [rule.top_shapes(((batch, *bottom.shape),), 1)[0] for batch in (2, 3)]
    found = None
    if [top[:1] for top in tops] == [(2,), (3,)]:
        found = bottom.reshaped([int(size or 0) for size in tops[0][1:]])
    if found is None:
        raise NetworkError(
            "rearranges what becomes a map: the channels, or the batch, do not stay together; "
            "drop it first"
        )
    return Moved((found,), dropped=True)


def _permuted(layer: Layer[Permute], bottoms: Sequence[Layout | None]) -> Moved:
    (bottom,) = _all(bottoms)
    rank = len(bottom.axes) + 1
    order = layer.params.axes(rank)
    if order[0] != 0:
        raise NetworkError("moves the batch axis of what becomes a map")
    return Moved((bottom.permuted([axis - 1 for axis in order[1:]]),), dropped=True)


def _inner_product(layer: Layer[InnerProduct], bottoms: Sequence[Layout | None]) -> Moved:
    (bottom,) = _all(bottoms)
    params = layer.params
    axis = canonical_axis(params.axis, len(bottom.axes) + 1)
    if axis == 0 or any(bottom.axes[: axis - 1]):
        raise NetworkError(f"axis: {params.axis} must be 1 for a cast")
    letters = bottom.letters
    order = kernel_order(letters, "CHW")
    sizes = [1] * (3 - len(letters)) + [bottom.size(letter) for letter in letters]

    def blobs(old: Blobs) -> list[Any]:
        weight, *bias = old
        weight = weight.transpose() if params.transpose else weight
        weight = weight.reshape(params.num_output, *sizes)
        return [weight.transpose(0, *(axis + 1 for axis in order)), *bias]

    top = Layout.of((*[""] * (axis - 1), "C"), params.num_output)

    def convolution(params: InnerProduct) -> LayerParams:
        return Convolution(
            num_output=params.num_output,
            bias_term=params.bias_term,
            kernel_size=bottom.window[:1] if len(set(bottom.window)) == 1 else bottom.window,
            weight_filler=params.weight_filler,
            bias_filler=params.bias_filler,
        )

    return Moved((top,), convolution, "Convolution", blobs)


def _pooling(layer: Layer[Pooling], bottoms: Sequence[Layout | None]) -> Moved:
    (bottom,) = _all(bottoms)
    params = layer.params
    if bottom.axes != Layout.of("CHW", bottom.channels, bottom.window).axes:
        raise NetworkError("pools a blob whose axes are no longer those of the map")
    if params.global_pooling:
        if len(layer.tops) > 1:
            raise NetworkError("gives places in the whole map, which windows do not")
        edit = _with(global_pooling=False, kernel_size=bottom.window)
        return Moved((Layout.of("CHW", bottom.channels),), edit)
    return _one_cell(bottom, params.kernel_size, params.stride, params.pad)


def _convolution(layer: Layer[Convolution], bottoms: Sequence[Layout | None]) -> Moved:
    (bottom,) = _all(bottoms)
    params = layer.params
    if len(bottom.axes) != 3 or canonical_axis(params.axis, 4) != 1:
        raise NetworkError("convolves other axes than those of the map")
    _channels_at(bottom, 1)
    fields = ("kernel_size", "stride", "pad")
    _one_cell(bottom, *(params.along(field, 2) for field in fields))
    return Moved((bottom.with_channels(0, params.num_output),))


def _one_cell(bottom: Layout, kernel: Any, stride: Any, pad: Any) -> Moved:
    if not bottom.is_cell or math.prod((*kernel, *stride)) != 1 or any(pad):
        raise NetworkError(
            "its windows reach past the one cell of the classifier's map, where it saw padding; "
            "only a kernel of 1 x 1 without stride and padding does the same on a larger map"
        )
    return Moved((bottom,))


def _loss(layer: Layer, bottoms: Sequence[Layout | None]) -> Moved:
    """One number over all positions, whose labels must be a map as well."""
    if bottoms[0] is not None and hasattr(layer.params, "axis"):
        _channels_at(bottoms[0], layer.params.axis)
        if layer.params.axis < 0:
            return Moved(edit=_ALONG_CHANNELS)
    return Moved()


def _nothing(layer: Layer, bottoms: Sequence[Layout | None]) -> Moved:
    return Moved()


def fitting_kernel(layer: Layer) -> tuple[int, int] | None:
    """(height, width) of the map that an inner product reads; None where it is not known."""
    if layer.flattened is None:
        return (1, 1) if len(layer.bottoms[0].shape or ()) == 2 else None
    sizes = known(layer.flattened[2:])
    return None if sizes is None or len(sizes) != 2 else (sizes[0], sizes[1])


RULES: Mapping[type[LayerParams], Rule] = {
    **dict.fromkeys((Bias, Scale, ScaleByBottom), _scale),
    **dict.fromkeys((Flatten, Reshape), _reshaped),
    **dict.fromkeys((Accuracy, Loss), _loss),
    **dict.fromkeys((Normalize, UnitNormalize), _normalize),
    activation.Softmax: _along,
    ArgMax: _argmax,
    concat.Concat: _along,
    concat.Slice: _along,
    concat.Tile: _along,
    Convolution: _convolution,
    InnerProduct: _inner_product,
    normalization.LRN: _local_response,
    Permute: _permuted,
    Pooling: _pooling,
    Silence: _nothing,
}
"""Parameters of a type -> its rule; subclasses use their base's."""

_KINDS: Mapping[Channels | None, Rule] = {Channels.EACH: _each, Channels.ALONG: _per_channel}
"""The rules of types that are not listed, by what they do with the channels; others are refused."""
