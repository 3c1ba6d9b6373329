"""Layers that work on elements, or along the channels, and leave the layout as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import layers

from keras_fcn.caffe.surgery.layouts import Layout
from keras_fcn.graph.calls import Call
from keras_fcn.surgery.cells.common import Layouts, Rule, caffe_axis, channels, check_activation

if TYPE_CHECKING:
    from keras_fcn.surgery.casting import Cast


def each(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """Elements by themselves."""
    if len(inputs) > 1:
        return merge(cast, call, inputs)
    if getattr(call.operation, "noise_shape", None) is not None:
        raise cast.refused(call, "drops in a pattern of its own")
    check_activation(cast, call, inputs[0])
    cast.apply(call, cast.copy(call.operation))
    return inputs[0]


def merge(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """Elements with elements; along the channels one may serve all."""
    largest = max(inputs, key=lambda layout: layout.channels)
    for layout in inputs:
        spread = layout.is_cell and layout.channels == 1 and largest.is_cell
        if layout != largest and not (spread and len(layout.axes) == len(largest.axes)):
            raise cast.refused(call, "reads vectors that lie differently on the map")
    cast.apply(call, cast.copy(call.operation))
    return largest


def _constants(cast: Cast, call: Call, layout: Layout) -> None:
    """Numbers beside the tensors must be the same at all positions."""
    args, kwargs = call.arguments
    for value in keras.tree.flatten([args, kwargs]):
        if isinstance(value, keras.KerasTensor) or value is None:
            continue
        shape = np.shape(value)
        if np.prod(shape, dtype=int) != 1:
            if len(shape) != 1:
                raise cast.refused(call, f"has a constant of shape {shape}")
            channels(cast, call, layout, -1)
        elif len(shape) > 1:
            raise cast.refused(call, f"has a constant of shape {shape}")


def operation(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """Elements with elements and numbers."""
    _constants(cast, call, inputs[0])
    return merge(cast, call, inputs)


def rescaling(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """A scale and an offset, for all or for each channel."""
    for value in (call.operation.scale, call.operation.offset):
        if np.size(value) != 1:
            channels(cast, call, inputs[0], -1)
    return each(cast, call, inputs)


def on_channels(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """Rule of layers that work along the last axis."""
    channels(cast, call, inputs[0], -1)
    return each(cast, call, inputs)


def stock_prelu(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """A slope for each channel, or one for all."""
    place = channels(cast, call, inputs[0], -1)
    one = place + 1 in (call.operation.shared_axes or ())
    shared = [1, 2, 3] if one else [1, 2]
    config = {**call.operation.get_config(), "shared_axes": shared}
    cast.apply(call, cast.twin(call.operation, layers.PReLU, config))
    return inputs[0]


def with_axis(to_axis: int) -> Rule:
    """Layers whose `axis`, one or several, is that of the channels."""

    def rule(cast: Cast, call: Call, inputs: Layouts) -> Layout:
        old = call.operation
        axes = keras.tree.flatten(old.axis)
        if [axis for axis in axes if axis is None] == axes:  # Normalization of single numbers
            return each(cast, call, inputs)
        if len(axes) > 1:
            raise cast.refused(call, f"works along several axes, {old.axis}")
        channels(cast, call, inputs[0], axes[0])
        if isinstance(old, keras.layers.Layer):
            config = {**old.get_config(), "axis": to_axis}
            cast.apply(call, cast.twin(old, type(old), config))
        else:
            cast.apply(call, type(old)(axis=to_axis))
        return inputs[0]

    return rule


def concatenate(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """Channels behind channels."""
    places = {channels(cast, call, layout, call.operation.axis) for layout in inputs}
    if len(places) > 1 or len({len(layout.axes) for layout in inputs}) > 1:
        raise cast.refused(call, "reads vectors that lie differently on the map")
    old = call.operation
    if isinstance(old, keras.layers.Layer):
        cast.apply(call, cast.twin(old, type(old), {**old.get_config(), "axis": -1}))
    else:
        cast.apply(call, type(old)(axis=-1))
    return inputs[0].with_channels(places.pop(), sum(layout.channels for layout in inputs))


def softmax_of_caffe(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """Along the channels of each position."""
    if call.operation.flatten:
        raise cast.refused(call, "flattens the map")
    return on_channels(cast, call, inputs)


def normalize(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """The norm over all of a vector is one over the channels of a position."""
    channels(cast, call, inputs[0], -1)
    config = {**call.operation.get_config(), "across_spatial": False}
    cast.apply(call, cast.twin(call.operation, type(call.operation), config))
    return inputs[0]


def local_response(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """Over neighbouring channels."""
    if call.operation.norm_region != "across_channels":
        raise cast.refused(call, "normalizes over neighbours, which one cell has not")
    return on_channels(cast, call, inputs)


def scale(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """Numbers along the channels, or another vector like the first."""
    old, layout, rank = call.operation, inputs[0], len(inputs[0].axes) + 1
    config = old.get_config()
    if len(inputs) > 1:
        if old.axis % rank or inputs[1] != layout:
            raise cast.refused(call, "reads vectors that lie differently on the map")
        if getattr(old, "use_bias", False):
            raise cast.refused(call, "learns a bias for more than the channels")
    elif old.shape:
        start = old.axis % rank
        along = [caffe_axis(layout, start + i) - 1 for i in range(len(old.shape))]
        if not layout.is_cell or not any(i >= 0 and layout.holds_channels(i) for i in along):
            raise cast.refused(call, "does not lie along the channels of the map")
        config |= {"axis": 1, "shape": (layout.channels,)}
    cast.apply(call, cast.twin(old, type(old), config))
    return layout


def along_caffe_axis(cast: Cast, call: Call, inputs: Layouts) -> Layouts:
    """Slice, Tile and ArgMax with an axis of Caffe's."""
    old, layout = call.operation, inputs[0]
    if old.axis is None:
        if not layout.is_cell or old.out_max_val:
            raise cast.refused(call, "looks over all positions of the map")
        place = 0  # of (top_k, 1, ...)
    else:
        place = channels(cast, call, layout, caffe_axis(layout, old.axis))
    cast.apply(call, cast.twin(old, type(old), {**old.get_config(), "axis": 1}))
    found = []
    for tensor in call.outputs:
        shape = cast.shape(tensor)[1:]
        found.append(
            Layout.of(["C" if i == place else "" for i in range(len(shape))], shape[place] or 0)
        )
    return found
