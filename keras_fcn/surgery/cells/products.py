"""Dense kernels over vectors, which become convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras

from keras_fcn import layers as caffe
from keras_fcn.caffe.surgery.layouts import Layout, kernel_order
from keras_fcn.graph.calls import Call
from keras_fcn.surgery.cells.common import Layouts, check_activation
from keras_fcn.surgery.cells.rearranging import in_caffe, in_keras

if TYPE_CHECKING:
    from keras_fcn.surgery.casting import Cast

_CAST = "-conv"


_KEPT_OF_DENSE = (
    *("activation", "use_bias", "trainable", "dtype", "kernel_initializer", "bias_initializer"),
    *("kernel_regularizer", "bias_regularizer", "kernel_constraint", "bias_constraint"),
)


def dense(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """Keras' own, which reads the last axis."""
    layout, config = inputs[0], call.operation.get_config()
    if layout.holds_channels(len(layout.axes) - 1):
        letters, window = "C", (1, 1)
        after = layout.with_channels(len(layout.axes) - 1, config["units"])
    elif any(layout.axes[:-1]):
        raise cast.refused(call, "reads a part of what was the map")
    else:
        letters, window = layout.axes[-1], layout.window
        after = Layout.of((*[""] * (len(layout.axes) - 1), "C"), config["units"])
    kept = {key: config[key] for key in _KEPT_OF_DENSE}
    check_activation(cast, call, after)
    _to_convolution(cast, call, kept, config["units"], window, layout, letters)
    return after


def inner_product(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """Ours, which reads Caffe's order from an axis on."""
    old, layout = call.operation, in_caffe(inputs[0])
    axis = old.axis % (len(layout.axes) + 1)
    if axis == 0 or any(layout.axes[: axis - 1]):
        raise cast.refused(call, "does not read all of what was the map")
    config = old.get_config()
    kept = {key: config[key] for key in _KEPT_OF_DENSE if key in config}
    _to_convolution(cast, call, kept, old.units, layout.window, layout, layout.letters)
    return in_keras(Layout.of((*[""] * (axis - 1), "C"), old.units))


def _to_convolution(
    cast: Cast,
    call: Call,
    kept: Mapping[str, Any],
    units: int,
    window: tuple[int, int],
    layout: Layout,
    letters: str,
) -> None:
    """A dense kernel over elements in the order of `letters` as a convolution's."""
    old = call.operation
    settings = {"filters": units, "kernel_size": window, "name": old.name + _CAST}
    new = cast.twin(old, caffe.GroupedConv2D, {**kept, **settings}, letters)
    kernel, *bias = (old.kernel, old.bias) if old.use_bias else (old.kernel,)
    sizes = [1] * (3 - len(letters)) + [layout.size(letter) for letter in letters]
    order = (*kernel_order(letters, "HWC"), 3)
    kernel = keras.ops.reshape(kernel, (*sizes, units))
    if order != (0, 1, 2, 3):
        kernel = keras.ops.transpose(kernel, order)
    cast.apply(call, new, [kernel, *bias])
