"""Layers that give what becomes a map other axes; behind the cast nothing is left of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_fcn.caffe.layers.shape import Reshape
from keras_fcn.caffe.surgery.layouts import Layout
from keras_fcn.graph.calls import Call
from keras_fcn.layers._axes import channels_first_shape, channels_last_shape
from keras_fcn.surgery.cells.common import Layouts

if TYPE_CHECKING:
    from keras_fcn.surgery.casting import Cast


def in_caffe(layout: Layout) -> Layout:
    """A layout in Caffe's order of axes."""
    axes = channels_first_shape(("", *layout.axes))[1:]
    return Layout(axes, layout.channels, layout.window)


def in_keras(layout: Layout) -> Layout:
    """A layout in Keras' order of axes."""
    axes = channels_last_shape(("", *layout.axes))[1:]
    return Layout(axes, layout.channels, layout.window)


def reshape(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """Elements in Keras' order under other axes."""
    return _rearranged(cast, call, inputs[0].reshaped(_known(cast.shape(call.outputs[0])[1:])))


def caffe_reshape(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """Elements in Caffe's order under other axes."""
    old, layout = call.operation, in_caffe(inputs[0])
    rule = Reshape(shape=old.shape, axis=old.axis, num_axes=old.num_axes)
    tops = [rule.top_shapes(((batch, *layout.shape),), 1)[0] for batch in (2, 3)]
    found = None
    if [top[:1] for top in tops] == [(2,), (3,)]:  # the batch stays
        found = layout.reshaped(_known(tops[0][1:]))
    return _rearranged(cast, call, found and in_keras(found))


def _known(sizes: Sequence[int | None]) -> list[int]:
    return [0 if size is None else size for size in sizes]


def permute(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """Axes behind the batch in another order."""
    return _rearranged(cast, call, inputs[0].permuted([axis - 1 for axis in call.operation.dims]))


def transpose(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """All axes in another order."""
    axes = call.operation.axes
    axes = tuple(range(len(inputs[0].axes), -1, -1)) if axes is None else tuple(axes)
    found = None if axes[0] else inputs[0].permuted([axis - 1 for axis in axes[1:]])
    return _rearranged(cast, call, found)


def caffe_permute(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """Axes in another order, counted as Caffe does."""
    order = tuple(call.operation.order)
    layout = in_caffe(inputs[0])
    order += tuple(axis for axis in range(len(layout.axes) + 1) if axis not in order)
    found = None if order[0] else in_keras(layout.permuted([axis - 1 for axis in order[1:]]))
    return _rearranged(cast, call, found)


def _rearranged(cast: Cast, call: Call, found: Layout | None) -> Layout:
    if found is None:
        raise cast.refused(
            call, "rearranges what becomes a map: the channels, or the batch, do not stay together"
        )
    cast.skip(call)
    return found
