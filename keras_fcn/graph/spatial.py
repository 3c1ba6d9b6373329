"""Spatial behaviour of Keras layers: the positions of its inputs that an output sees.

Most layers are one Caffe layer, whose kind says it. Here are those that Caffe lacks, or whose
padding depends on the size of the image, as TensorFlow's does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import keras
from keras import layers

from keras_fcn import layers as caffe
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.layers.spatial import (
    ELEMENTWISE,
    FIRST_ALONE,
    IN_PLACE,
    SOURCE,
    WHOLE,
    WHOLE_MAP,
    Axes,
    Resampled,
    Spatial,
    Spread,
    Unpooled,
    Windows,
    nowhere,
)
from keras_fcn.graph import operations
from keras_fcn.graph.calls import Call
from keras_fcn.layers._axes import channels_first_shape
from keras_fcn.layers.elementwise import Elementwise
from keras_fcn.layers.known import entry, own_method, stock_name
from keras_fcn.layers.overwritten import Overwritten
from keras_fcn.layers.tied import Tied
from keras_fcn.unbuilder import unbuild

Rule = Callable[[Call], Spatial]


def spatial_of(call: Call, output: int = 0) -> Spatial:
    """Positions of each input that the positions of an output see.

    Args:
        call: a layer, or another operation of Keras, with its inputs and outputs.
        output: which output.
    """
    operation = call.operation
    if getattr(operation, "data_format", None) == "channels_first":
        return nowhere("those of data_format='channels_first'")
    if not isinstance(operation, layers.Layer):
        rule = _OPERATIONS.get(stock_name(operation))
        return _unknown(operation) if rule is None else rule(call)
    rule = entry(operation, RULES)
    if type(operation).__module__.startswith("keras.src.applications."):
        rule = _OF_APPLICATIONS.get(stock_name(operation), rule)
    if rule is not None:
        return rule(call)
    try:
        params = unbuild(operation)
        shapes = tuple(channels_first_shape(tensor.shape) for tensor in call.inputs)
        if params is not None:
            return params.spatial(shapes, output, len(call.outputs))
    except CaffeError as error:
        return nowhere(str(error))
    return _unknown(operation)


UNKNOWN = "of a layer whose windows are not known"


def _unknown(operation: Any) -> Spatial:
    method = own_method(operation)
    why = f", as it has a {method} of its own" if method else ""
    return nowhere(f"{UNKNOWN}{why}")


def _in_place(call: Call) -> Spatial:
    return ELEMENTWISE


def _whole_map(call: Call) -> Spatial:
    return WHOLE_MAP


def _sizes(tensor: Any) -> tuple[int | None, ...]:
    """Sizes of the axes of positions."""
    return tuple(tensor.shape[1:-1])


def _windows(call: Call, taps: str = "kernel_size") -> Spatial:
    """Windows padded as TensorFlow does, which with strides depends on the size."""
    layer, axes = call.operation, []
    strides = keras.tree.flatten(layer.strides)
    dilations = keras.tree.flatten(getattr(layer, "dilation_rate", 1)) * len(strides)
    lengths = keras.tree.flatten(getattr(layer, taps))
    for size, length, stride, dilation in zip(
        _sizes(call.inputs[0]), lengths, strides, dilations[: len(strides)], strict=True
    ):
        reach = (length - 1) * dilation
        before: int | None = reach if layer.padding == "causal" else 0
        if layer.padding == "same":
            known = size is not None or stride == 1
            last = (size or stride) % stride or stride
            before = max(reach + 1 - last, 0) // 2 if known else None
        axes.append(Windows(length, stride, before, dilation))
    return Spatial((tuple(axes),))


def _transposed(call: Call) -> Spatial:
    """Rule of transposed convolutions: windows past the output are cut off on both sides."""
    layer, axes = call.operation, []
    more = layer.output_padding
    more = (None,) * len(layer.strides) if more is None else keras.tree.flatten(more)
    fields = (layer.kernel_size, layer.strides, layer.dilation_rate, more)
    for length, stride, dilation, extra in zip(*fields, strict=True):
        reach = (length - 1) * dilation + 1
        cut = 0
        if layer.padding == "same":
            cut = max(reach - stride if extra is None else 2 * (reach // 2) - extra, 0) // 2
        axes.append(Spread(length, stride, cut, dilation))
    return Spatial((tuple(axes),))


_REACHES = {"bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}


def _upsampling(call: Call) -> Spatial:
    layer = call.operation
    sizes = keras.tree.flatten(layer.size)
    if getattr(layer, "interpolation", "nearest") == "nearest":
        return Spatial((tuple(Spread(size, size) for size in sizes),))
    reach = Fraction(_REACHES[layer.interpolation])
    steps = (Fraction(1, size) for size in sizes)
    return Spatial((tuple(Resampled(step, (step - 1) / 2, reach) for step in steps),))


def _margins(call: Call, field: str, sign: int) -> Spatial:
    sides: Iterable[Any] = getattr(call.operation, field)
    if isinstance(call.operation, (layers.ZeroPadding1D, layers.Cropping1D)):
        sides = [sides]
    return Spatial(
        (tuple(Windows(before=sign * before, behind=sign * behind) for before, behind in sides),)
    )


def _along(axes: Iterable[int], rank: int) -> Spatial:
    """Rule of layers that run along some of Keras' axes, and see all of them."""
    found = {axis % rank for axis in axes}
    records = tuple(WHOLE if axis in found else IN_PLACE for axis in range(1, rank - 1))
    return Spatial((records or (IN_PLACE,),))


def _with_axis(call: Call) -> Spatial:
    axes = keras.tree.flatten(call.operation.axis)
    return WHOLE_MAP if None in axes else _along(axes, len(call.inputs[0].shape))


def _concatenate(call: Call) -> Spatial:
    rank = len(call.outputs[0].shape)
    if call.operation.axis % rank in (0, rank - 1) or len(call.inputs) == 1:
        return ELEMENTWISE
    return nowhere("those of several inputs side by side")


def _merged(call: Call) -> Spatial:
    """Elements with elements; an axis of size 1 serves all positions."""
    after = call.outputs[0].shape
    return Spatial(tuple(_broadcast(tensor.shape, after) for tensor in call.inputs))


def _broadcast(shape: Sequence[int | None], after: Sequence[int | None]) -> Axes:
    if len(shape) != len(after):
        return (WHOLE,)
    pairs = list(zip(shape, after, strict=True))[1:-1]
    records = tuple(WHOLE if one == 1 and size != 1 else IN_PLACE for one, size in pairs)
    return records or (IN_PLACE,)


def _rearranged(call: Call) -> Spatial:
    before, after = call.inputs[0].shape, call.outputs[0].shape
    if len(before) == len(after) and None not in before[1:] and before[1:] == after[1:]:
        return ELEMENTWISE
    return WHOLE_MAP if len(after) < 3 else nowhere("elements in another arrangement")


def _permuted(call: Call) -> Spatial:
    dims = tuple(call.operation.dims)
    same = dims == tuple(range(1, len(dims) + 1))
    return ELEMENTWISE if same else nowhere("axes in another order")


def _dense_pooling(call: Call) -> Spatial:
    layer = call.operation
    names = ("pool_size", "strides", "padding", "dilation_rate", "overhang")
    fields = zip(*(getattr(layer, name) for name in names), strict=True)
    return Spatial((tuple(Windows(*axis) for axis in fields),))


def _wrapped(call: Call) -> Spatial:
    return spatial_of(call._replace(operation=call.operation.layer))


def _overwritten(call: Call) -> Spatial:
    one, other = (tensor.shape for tensor in call.inputs)
    return ELEMENTWISE if one == other else nowhere("elements in another arrangement")


def _upsampled_like(call: Call) -> Spatial:
    return Spatial(((Unpooled(),), (Unpooled(),), ()), mask=1)


def _source(call: Call) -> Spatial:
    return SOURCE


def _first_alone(call: Call) -> Spatial:
    return FIRST_ALONE


def _named(*names: str) -> tuple[type, ...]:
    """Layer classes of Keras, those of them that this version has."""
    return tuple(getattr(layers, name) for name in names if hasattr(layers, name))


def _of_each(*names: str) -> tuple[type, ...]:
    """Layer classes for one, two and three axes."""
    return _named(*(f"{name}{count}D" for name in names for count in (1, 2, 3)))


WRAPPERS: tuple[Any, ...] = (Tied, *_named("SpectralNormalization"))
"""Layers that run another one, their `layer`, with other weights."""
_ONLY_IN_TRAINING = (
    *("AugMix", "RandAugment", "RandomBrightness", "RandomColorDegeneration", "RandomColorJitter"),
    *("RandomContrast", "RandomElasticTransform", "RandomErasing", "RandomFlip"),
    *("RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective"),
    *("RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness"),
    *("RandomShear", "RandomTranslation", "RandomZoom"),
)
"""Layers that vary images in training, and else leave them as they are."""

RULES: Mapping[type, Rule] = {
    **dict.fromkeys(
        (
            *_named(*_ONLY_IN_TRAINING),
            *_named("Activation", "ActivityRegularization", "AlphaDropout", "BatchNormalization"),
            *_named("Dense", "Dropout", "ELU", "GaussianDropout", "GaussianNoise", "Identity"),
            *_named("InputLayer", "LeakyReLU", "Normalization", "PReLU", "ReLU", "Rescaling"),
            *_of_each("SpatialDropout"),
            *(Elementwise, caffe.CommonSize, caffe.PReLU, caffe.SampledDropout),
        ),
        _in_place,
    ),
    **dict.fromkeys(
        _named("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"), _merged
    ),
    **dict.fromkeys(
        (*_of_each("Conv", "DepthwiseConv", "SeparableConv"), caffe.GroupedConv2D), _windows
    ),
    **{getattr(layers, f"Conv{count}DTranspose"): _transposed for count in (1, 2, 3)},
    **dict.fromkeys(_of_each("AveragePooling", "MaxPooling"), partial(_windows, taps="pool_size")),
    **dict.fromkeys(_of_each("GlobalAveragePooling", "GlobalMaxPooling"), _whole_map),
    **dict.fromkeys(_of_each("UpSampling"), _upsampling),
    **dict.fromkeys(_of_each("Cropping"), partial(_margins, field="cropping", sign=-1)),
    **dict.fromkeys(_of_each("ZeroPadding"), partial(_margins, field="padding", sign=1)),
    **dict.fromkeys(
        _named("LayerNormalization", "RMSNormalization", "Softmax", "UnitNormalization"),
        _with_axis,
    ),
    **dict.fromkeys(_named("GroupNormalization"), _whole_map),
    **dict.fromkeys(_named("Flatten", "Reshape"), _rearranged),
    **dict.fromkeys(WRAPPERS, _wrapped),
    layers.Concatenate: _concatenate,
    layers.Permute: _permuted,
    caffe.Constant: _source,
    caffe.DensePooling2D: _dense_pooling,
    Overwritten: _overwritten,
    caffe.UpsampleLike: _upsampled_like,
}
"""Keras layer class -> rule; subclasses that compute alike use their base's."""

_OF_APPLICATIONS: Mapping[str, Rule] = dict.fromkeys(("LayerScale", "StochasticDepth"), _in_place)
"""Class name of a layer that `keras.applications` has for itself -> rule."""

_OPERATIONS: Mapping[str, Rule] = {
    **dict.fromkeys(operations.OF_ELEMENTS, _merged),
    **dict.fromkeys(("ExpandDims", "Reshape", "Squeeze"), _rearranged),
    **dict.fromkeys(operations.ALONG_AXES, _with_axis),
    "Concatenate": _concatenate,
    "GetItem": operations.sliced,
    "Pad": operations.padded,
}
"""Class name of an operation of `keras.ops` -> rule."""
