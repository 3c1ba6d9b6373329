"""Helpers of the rules: the channels' axis, and the needs of an activation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import keras

from keras_fcn.caffe.surgery.layouts import Layout
from keras_fcn.graph.calls import Call
from keras_fcn.layers._axes import channels_last_axis

if TYPE_CHECKING:
    from keras_fcn.surgery.casting import Cast

Layouts = Sequence[Layout]
Rule = Callable[["Cast", Call, Layouts], "Layout | Layouts"]
"""(the cast, the call, what its inputs hold) -> what its outputs hold; it applies the new layer."""

# Activations of each element by itself; others run along the last axis.
_OF_ELEMENTS = frozenset(
    [
        "linear",
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "selu",
        "celu",
        "gelu",
        "silu",
        "swish",
        "sigmoid",
        "hard_sigmoid",
        "hard_silu",
        "hard_swish",
        "log_sigmoid",
        "tanh",
        "hard_tanh",
        "tanh_shrink",
        "hard_shrink",
        "soft_shrink",
        "squareplus",
        "sparse_plus",
        "sparse_sigmoid",
        "softplus",
        "softsign",
        "mish",
        "exponential",
        "threshold",
    ]
)


_ALONG_LAST = frozenset(["softmax", "log_softmax", "sparsemax"])


def channels(cast: Cast, call: Call, layout: Layout, axis: int) -> int:
    """The place, behind the batch, of the channels, which an axis must hold, and nothing else."""
    place = axis % (len(layout.axes) + 1) - 1
    if place < 0 or not layout.is_cell or not layout.holds_channels(place):
        raise cast.refused(
            call, f"works along axis {axis}, which does not hold the channels of the map alone"
        )
    return place


def caffe_axis(layout: Layout, axis: int) -> int:
    """Index in Keras of an axis of Caffe's."""
    rank = len(layout.axes) + 1
    return channels_last_axis(axis % rank, rank)


def check_activation(cast: Cast, call: Call, layout: Layout) -> None:
    """An activation is one of each element, or runs along the channels."""
    activation = getattr(call.operation, "activation", None)
    if activation is None or not isinstance(call.operation, keras.layers.Layer):
        return
    name = getattr(activation, "__name__", "")
    known = getattr(keras.activations, name, None) is activation
    if known and name in _ALONG_LAST:
        channels(cast, call, layout, -1)
    elif not (known and name in _OF_ELEMENTS):
        raise cast.refused(call, f"has the activation {name or activation!r}, not known on maps")
