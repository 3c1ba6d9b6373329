"""What each Keras layer becomes when the vectors that it reads become maps.

A kind of layer that is not listed in :data:`RULES` is refused: nothing is carried over
that nobody has thought of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers

from keras_fcn import layers as caffe
from keras_fcn.caffe.layers.shape import Reshape
from keras_fcn.caffe.surgery.layouts import Layout, kernel_order
from keras_fcn.graph.calls import Call
from keras_fcn.layers._axes import channels_first_shape, channels_last_axis, channels_last_shape
from keras_fcn.layers.elementwise import Elementwise

if TYPE_CHECKING:
    from keras_fcn.surgery.casting import Cast

_CAST = "-conv"
_KEPT_OF_DENSE = (
    *("activation", "use_bias", "trainable", "dtype", "kernel_initializer", "bias_initializer"),
    *("kernel_regularizer", "bias_regularizer", "kernel_constraint", "bias_constraint"),
)
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

Layouts = Sequence[Layout]
Rule = Callable[["Cast", Call, Layouts], "Layout | Layouts"]
"""(the cast, the call, what its inputs hold) -> what its outputs hold; it applies the new layer."""


def rule_of(operation: Any) -> Rule | None:
    """The rule for a layer or an operation; subclasses made elsewhere have none."""
    cls = type(operation)
    if cls.__module__.split(".")[0] not in ("keras", "keras_fcn"):
        return None
    if not isinstance(operation, keras.layers.Layer):
        return _OPERATIONS.get(cls.__name__)
    return next((RULES[base] for base in cls.__mro__ if base in RULES), None)


def _channels(cast: Cast, call: Call, layout: Layout, axis: int) -> int:
    """The place, behind the batch, of the channels, which an axis must hold, and nothing else."""
    place = axis % (len(layout.axes) + 1) - 1
    if place < 0 or not layout.is_cell or not layout.holds_channels(place):
        raise cast.refused(
            call, f"works along axis {axis}, which does not hold the channels of the map alone"
        )
    return place


def _caffe_axis(layout: Layout, axis: int) -> int:
    rank = len(layout.axes) + 1
    return channels_last_axis(axis % rank, rank)


def _each(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    if getattr(call.operation, "noise_shape", None) is not None:
        raise cast.refused(call, "drops in a pattern of its own")
    _check_activation(cast, call, inputs[0])
    cast.apply(call, cast.copy(call.operation))
    return inputs[0]


def _check_activation(cast: Cast, call: Call, layout: Layout) -> None:
    """An activation is one of each element, or runs along the channels."""
    activation = getattr(call.operation, "activation", None)
    if activation is None or not isinstance(call.operation, keras.layers.Layer):
        return
    name = getattr(activation, "__name__", "")
    known = getattr(keras.activations, name, None) is activation
    if known and name in _ALONG_LAST:
        _channels(cast, call, layout, -1)
    elif not (known and name in _OF_ELEMENTS):
        raise cast.refused(call, f"has the activation {name or activation!r}, not known on maps")


def _merge(cast: Cast, call: Call, inputs: Layouts) -> Layout:
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
            _channels(cast, call, layout, -1)
        elif len(shape) > 1:
            raise cast.refused(call, f"has a constant of shape {shape}")


def _operation(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    _constants(cast, call, inputs[0])
    return _merge(cast, call, inputs)


def _rescaling(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    for value in (call.operation.scale, call.operation.offset):
        if np.size(value) != 1:
            _channels(cast, call, inputs[0], -1)
    return _each(cast, call, inputs)


def _on_channels(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """What works along the last axis."""
    _channels(cast, call, inputs[0], -1)
    return _each(cast, call, inputs)


def _prelu(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    return (
        _each(cast, call, inputs)
        if call.operation.channel_shared
        else _on_channels(cast, call, inputs)
    )


def _stock_prelu(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """A slope for each channel, or one for all."""
    place = _channels(cast, call, inputs[0], -1)
    one = place + 1 in (call.operation.shared_axes or ())
    shared = [1, 2, 3] if one else [1, 2]
    config = {**call.operation.get_config(), "shared_axes": shared}
    cast.apply(call, cast.twin(call.operation, layers.PReLU, config))
    return inputs[0]


def _with_axis(to_axis: int) -> Rule:
    """Layers whose ``axis``, one or several, is that of the channels."""

    def rule(cast: Cast, call: Call, inputs: Layouts) -> Layout:
        old = call.operation
        axes = keras.tree.flatten(old.axis)
        if [axis for axis in axes if axis is None] == axes:  # Normalization of single numbers
            return _each(cast, call, inputs)
        if len(axes) > 1:
            raise cast.refused(call, f"works along several axes, {old.axis}")
        _channels(cast, call, inputs[0], axes[0])
        if isinstance(old, keras.layers.Layer):
            config = {**old.get_config(), "axis": to_axis}
            cast.apply(call, cast.twin(old, type(old), config))
        else:
            cast.apply(call, type(old)(axis=to_axis))
        return inputs[0]

    return rule


def _concatenate(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    places = {_channels(cast, call, layout, call.operation.axis) for layout in inputs}
    if len(places) > 1 or len({len(layout.axes) for layout in inputs}) > 1:
        raise cast.refused(call, "reads vectors that lie differently on the map")
    old = call.operation
    if isinstance(old, keras.layers.Layer):
        cast.apply(call, cast.twin(old, type(old), {**old.get_config(), "axis": -1}))
    else:
        cast.apply(call, type(old)(axis=-1))
    return inputs[0].with_channels(places.pop(), sum(layout.channels for layout in inputs))


def _softmax_of_caffe(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    if call.operation.flatten:
        raise cast.refused(call, "flattens the map")
    return _on_channels(cast, call, inputs)


def _normalize(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """The norm over all of a vector is one over the channels of a cell."""
    _channels(cast, call, inputs[0], -1)
    config = {**call.operation.get_config(), "across_spatial": False}
    cast.apply(call, cast.twin(call.operation, type(call.operation), config))
    return inputs[0]


def _local_response(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    if call.operation.norm_region != "across_channels":
        raise cast.refused(call, "normalizes over neighbours, which one cell has not")
    return _on_channels(cast, call, inputs)


def _scale(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    old, layout, rank = call.operation, inputs[0], len(inputs[0].axes) + 1
    config = old.get_config()
    if len(inputs) > 1:
        if old.axis % rank or inputs[1] != layout:
            raise cast.refused(call, "reads vectors that lie differently on the map")
        if getattr(old, "use_bias", False):
            raise cast.refused(call, "learns a bias for more than the channels")
    elif old.shape:
        start = old.axis % rank
        along = [_caffe_axis(layout, start + i) - 1 for i in range(len(old.shape))]
        if not layout.is_cell or not any(i >= 0 and layout.holds_channels(i) for i in along):
            raise cast.refused(call, "does not lie along the channels of the map")
        config |= {"axis": 1, "shape": (layout.channels,)}
    cast.apply(call, cast.twin(old, type(old), config))
    return layout


def _along_caffe_axis(cast: Cast, call: Call, inputs: Layouts) -> Layouts:
    """Slice, Tile and ArgMax with an axis of Caffe's."""
    old, layout = call.operation, inputs[0]
    if old.axis is None:
        if not layout.is_cell or old.out_max_val:
            raise cast.refused(call, "looks over all positions of the map")
        place = 0  # of (top_k, 1, ...)
    else:
        place = _channels(cast, call, layout, _caffe_axis(layout, old.axis))
    cast.apply(call, cast.twin(old, type(old), {**old.get_config(), "axis": 1}))
    found = []
    for tensor in call.outputs:
        shape = cast.shape(tensor)[1:]
        found.append(
            Layout.of(["C" if i == place else "" for i in range(len(shape))], shape[place] or 0)
        )
    return found


def _dense(cast: Cast, call: Call, inputs: Layouts) -> Layout:
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
    _check_activation(cast, call, after)
    _to_convolution(cast, call, kept, config["units"], window, layout, letters)
    return after


def _inner_product(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    """Ours, which reads Caffe's order from an axis on."""
    old, layout = call.operation, _in_caffe(inputs[0])
    axis = old.axis % (len(layout.axes) + 1)
    if axis == 0 or any(layout.axes[: axis - 1]):
        raise cast.refused(call, "does not read all of what was the map")
    config = old.get_config()
    kept = {key: config[key] for key in _KEPT_OF_DENSE if key in config}
    _to_convolution(cast, call, kept, old.units, layout.window, layout, layout.letters)
    return _in_keras(Layout.of((*[""] * (axis - 1), "C"), old.units))


def _to_convolution(
    cast: Cast,
    call: Call,
    kept: Mapping[str, Any],
    units: int,
    window: tuple[int, int],
    layout: Layout,
    letters: str,
) -> None:
    """A dense kernel over elements in the order of ``letters`` as a convolution's."""
    old = call.operation
    settings = {"filters": units, "kernel_size": window, "name": old.name + _CAST}
    new = cast.twin(old, caffe.GroupedConv2D, {**kept, **settings}, letters)
    kernel, *bias = old.weights
    sizes = [1] * (3 - len(letters)) + [layout.size(letter) for letter in letters]
    order = (*kernel_order(letters, "HWC"), 3)
    kernel = keras.ops.reshape(kernel, (*sizes, units))
    if order != (0, 1, 2, 3):
        kernel = keras.ops.transpose(kernel, order)
    cast.apply(call, new, [kernel, *bias])


def _in_caffe(layout: Layout) -> Layout:
    axes = channels_first_shape(("", *layout.axes))[1:]
    return Layout(axes, layout.channels, layout.window)


def _in_keras(layout: Layout) -> Layout:
    axes = channels_last_shape(("", *layout.axes))[1:]
    return Layout(axes, layout.channels, layout.window)


def _reshape(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    return _rearranged(cast, call, inputs[0].reshaped(_known(cast.shape(call.outputs[0])[1:])))


def _caffe_reshape(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    old, layout = call.operation, _in_caffe(inputs[0])
    rule = Reshape(shape=old.shape, axis=old.axis, num_axes=old.num_axes)
    tops = [rule.top_shapes(((batch, *layout.shape),), 1)[0] for batch in (2, 3)]
    found = None
    if [top[:1] for top in tops] == [(2,), (3,)]:  # the batch stays
        found = layout.reshaped(_known(tops[0][1:]))
    return _rearranged(cast, call, found and _in_keras(found))


def _known(sizes: Sequence[int | None]) -> list[int]:
    return [0 if size is None else size for size in sizes]


def _permute(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    return _rearranged(cast, call, inputs[0].permuted([axis - 1 for axis in call.operation.dims]))


def _transpose(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    axes = call.operation.axes
    axes = tuple(range(len(inputs[0].axes), -1, -1)) if axes is None else tuple(axes)
    found = None if axes[0] else inputs[0].permuted([axis - 1 for axis in axes[1:]])
    return _rearranged(cast, call, found)


def _caffe_permute(cast: Cast, call: Call, inputs: Layouts) -> Layout:
    order = tuple(call.operation.order)
    layout = _in_caffe(inputs[0])
    order += tuple(axis for axis in range(len(layout.axes) + 1) if axis not in order)
    found = None if order[0] else _in_keras(layout.permuted([axis - 1 for axis in order[1:]]))
    return _rearranged(cast, call, found)


def _rearranged(cast: Cast, call: Call, found: Layout | None) -> Layout:
    if found is None:
        raise cast.refused(
            call, "rearranges what becomes a map: the channels, or the batch, do not stay together"
        )
    cast.skip(call)
    return found


def _global_pooling(pooling: type[keras.layers.Layer]) -> Rule:
    """Windows as large as the map was; of a single cell there is nothing to pool."""

    def rule(cast: Cast, call: Call, inputs: Layouts) -> Layout:
        layout, old = inputs[0], call.operation
        if layout.axes != Layout.of("HWC", layout.channels, layout.window).axes:
            raise cast.refused(call, "pools a map whose axes have been exchanged")
        if len(call.outputs) > 1:
            raise cast.refused(call, "gives places in the whole map, which windows do not")
        if layout.is_cell:
            cast.skip(call)
        else:
            dtype = getattr(old, "dtype_policy", None)
            new = pooling(layout.window, strides=1, name=old.name, dtype=dtype)
            cast.apply(call, new)
        flat = len(call.outputs[0].shape) == 2
        return Layout.of(("C",) if flat else ("", "", "C"), layout.channels)

    return rule


_AVERAGE = _global_pooling(layers.AveragePooling2D)
_MAX = _global_pooling(layers.MaxPooling2D)


def _pooling(whole: Rule) -> Rule:
    def rule(cast: Cast, call: Call, inputs: Layouts) -> Layout | Layouts:
        old = call.operation
        if getattr(old, "global_pooling", False):
            return whole(cast, call, inputs)
        pads = old.padding if isinstance(old.padding, str) else any(old.padding)
        return _one_cell(cast, call, inputs[0], (*old.pool_size, *old.strides), pads)

    return rule


def _operation_pooling(whole: Rule) -> Rule:
    """A mean or maximum over height and width."""

    def rule(cast: Cast, call: Call, inputs: Layouts) -> Layout | Layouts:
        axes = keras.tree.flatten(call.operation.axis)
        if len(inputs[0].axes) != 3 or None in axes or {axis % 4 for axis in axes} != {1, 2}:
            raise cast.refused(call, f"works along axes {axes}, which are not those of the map")
        return whole(cast, call, inputs)

    return rule


def _convolution(cast: Cast, call: Call, inputs: Layouts) -> Layout:
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
    _channels(cast, call, layout, -1)
    after = layout.with_channels(2, call.outputs[0].shape[-1])
    _check_activation(cast, call, after)
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


REARRANGING = {
    caffe.CaffePermute: _caffe_permute,
    caffe.CaffeReshape: _caffe_reshape,
    layers.Flatten: _reshape,
    layers.Permute: _permute,
    layers.Reshape: _reshape,
}
RULES: Mapping[type, Rule] = {
    **REARRANGING,
    **dict.fromkeys(
        (
            *(Elementwise, caffe.SampledDropout, caffe.SpatialDropout, layers.Activation),
            *(layers.ActivityRegularization, layers.AlphaDropout, layers.Dropout, layers.ELU),
            *(layers.GaussianDropout, layers.GaussianNoise, layers.Identity, layers.LeakyReLU),
            *(layers.ReLU, layers.SpatialDropout2D),
        ),
        _each,
    ),
    **dict.fromkeys(
        (
            *(caffe.Eltwise, layers.Add, layers.Average, layers.Maximum, layers.Minimum),
            *(layers.Multiply, layers.Subtract),
        ),
        _merge,
    ),
    **dict.fromkeys((caffe.BN, caffe.BatchNorm, caffe.ScaledBatchNorm), _on_channels),
    **dict.fromkeys(
        (
            *(layers.BatchNormalization, layers.LayerNormalization, layers.Normalization),
            *(layers.RMSNormalization, layers.Softmax, layers.UnitNormalization),
        ),
        _with_axis(-1),
    ),
    **dict.fromkeys((caffe.ArgMax, caffe.Slice, caffe.Tile), _along_caffe_axis),
    **dict.fromkeys((caffe.Bias, caffe.Scale), _scale),
    **dict.fromkeys(
        (caffe.Convolution, layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D),
        _convolution,
    ),
    **dict.fromkeys((caffe.CaffeAveragePooling2D, layers.AveragePooling2D), _pooling(_AVERAGE)),
    **dict.fromkeys((caffe.CaffeMaxPooling2D, layers.MaxPooling2D), _pooling(_MAX)),
    caffe.InnerProduct: _inner_product,
    caffe.LocalResponseNormalization: _local_response,
    caffe.Normalize: _normalize,
    caffe.PReLU: _prelu,
    caffe.PixelwiseSoftmax: _softmax_of_caffe,
    layers.Concatenate: _concatenate,
    layers.Dense: _dense,
    layers.GlobalAveragePooling2D: _AVERAGE,
    layers.GlobalMaxPooling2D: _MAX,
    layers.PReLU: _stock_prelu,
    layers.Rescaling: _rescaling,
}
"""Keras layer class -> rule; subclasses of Keras and of this package use their base's."""

_OPERATIONS: Mapping[str, Rule] = {
    **dict.fromkeys(
        [
            "Absolute",
            "Add",
            "Clip",
            "Divide",
            "Elu",
            "Exp",
            "Gelu",
            "HardSigmoid",
            "HardSilu",
            "LeakyRelu",
            "Log",
            "Log1p",
            "Maximum",
            "Minimum",
            "Multiply",
            "Negative",
            "Power",
            "Relu",
            "Relu6",
            "Selu",
            "Sigmoid",
            "Silu",
            "Softplus",
            "Softsign",
            "Sqrt",
            "Square",
            "StopGradient",
            "Subtract",
            "Tanh",
            "TrueDivide",
        ],
        _operation,
    ),
    **dict.fromkeys(("ExpandDims", "Reshape", "Squeeze"), _reshape),
    **dict.fromkeys(("LogSoftmax", "Softmax"), _with_axis(-1)),
    "Concatenate": _concatenate,
    "Max": _operation_pooling(_MAX),
    "Mean": _operation_pooling(_AVERAGE),
    "Transpose": _transpose,
}
"""Class name of an operation of ``keras.ops`` -> rule."""

_WHOLE_OPERATIONS = ("Max", "Mean")
_FLAT_OPERATIONS = ("ExpandDims", "Reshape", "Squeeze", "Transpose")


def makes_vectors(call: Call) -> bool:
    """Whether a layer may turn a map into vectors: the rules then take the map itself."""
    operation, rank = call.operation, len(call.outputs[0].shape)
    if not isinstance(operation, keras.layers.Layer):
        kind = type(operation).__name__
        return kind in _FLAT_OPERATIONS or (kind in _WHOLE_OPERATIONS and rank != 4)
    whole = getattr(operation, "global_pooling", False)
    flat = (*REARRANGING, caffe.InnerProduct)
    ends = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
    return whole or isinstance(operation, (*flat, *ends))
