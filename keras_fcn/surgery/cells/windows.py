"""Pooling of whole maps, and windows on what was one position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from keras_fcn import layers as caffe
from keras_fcn.caffe.surgery.layouts import Layout
from keras_fcn.graph.calls import Call
from keras_fcn.surgery.cells.common import Layouts, Rule, channels, check_activation

if TYPE_CHECKING:
    from keras_fcn.surgery.casting import Cast


def _global_pooling(pooling: type[keras.layers.Layer]) -> Rule:
    """Windows as large as the map was; of a single position there is nothing to pool."""

    def rule(cast: Cast, call: Call, inputs: Layouts) -> Layout:
        layout, old = inputs[0], call.operation
        if layout.axes != Layout.of("HWC", layout.channels, layout.window).axes:
            raise cast.refused(call, "pools a map whose axes have been exchanged")
        if len(call.outputs) > 1:
            raise cast.refused(call, "gives places in the whole map, which windows do not")
        if layout.is_cell:
            cast.skip(call)
        else:
            config = {"name": old.name, "dtype": getattr(old, "dtype_policy", None)}
            windows = {"strides": 1, "data_format": "channels_last"}
            cast.apply(call, pooling(layout.window, **windows, **config))
        flat = len(call.outputs[0].shape) == 2
        return Layout.of(("C",) if flat else ("", "", "C"), layout.channels)

    return rule


AVERAGE = _global_pooling(layers.AveragePooling2D)


MAX = _global_pooling(layers.MaxPooling2D)


def pooling(whole: Rule) -> Rule:
    """Caffe's and Keras' pooling: of whole maps, or of one position."""

    def rule(cast: Cast, call: Call, inputs: Layouts) -> Layout | Layouts:
        old = call.operation
        if getattr(old, "global_pooling", False):
            return whole(cast, call, inputs)
        pads = old.padding if isinstance(old.padding, str) else any(old.padding)
        return _one_cell(cast, call, inputs[0], (*old.pool_size, *old.strides), pads)

    return rule


def operation_pooling(whole: Rule) -> Rule:
    """A mean or maximum over height and width."""

    def rule(cast: Cast, call: Call, inputs: Layouts) -> Layout | Layouts:
        axes = keras.tree.flatten(call.operation.axis)
        if len(inputs[0].axes) != 3 or None in axes or {axis % 4 for axis in axes} != {1, 2}:
            raise cast.refused(call, f"works along axes {axes}, which are not those of the map")
        return whole(cast, call, inputs)

    return rule


def convolution(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """Windows of 1 x 1 do the same on every position."""
    old, layout = call.operation, inputs[0]
    if isinstance(old, caffe.Convolution):
        if old.axis not in (1, -3) or len(call.inputs) > 1:
            raise cast.refused(call, "convolves other axes than those of the map")
        axes = old._spatial(2)
        sizes = [size for axis in axes for size in (axis.length, axis.stride)]
        pads: Any = any(axis.pad for axis in axes)
    else:
        sizes, pads = [*old.kernel_size, *old.strides], False
    _one_cell(cast, call, layout, sizes, pads)
    channels(cast, call, layout, -1)
    after = layout.with_channels(2, call.outputs[0].shape[-1])
    check_activation(cast, call, after)
    return after


def _one_cell(cast: Cast, call: Call, layout: Layout, sizes: Sequence[int], pads: Any) -> Layout:
    if len(layout.axes) != 3 or not layout.is_cell or set(sizes) != {1} or pads is True:
        raise cast.refused(
            call,
            "its windows reach past the one cell of the classifier's map, where it saw padding; "
            "only windows of 1 x 1 without strides and padding do the same on a larger map",
        )
    cast.apply(call, cast.copy(call.operation))
    return layout
