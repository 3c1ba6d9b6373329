"""Cast rules of Keras layers: their form when the vectors that they read become maps.

A layer that is not listed in `RULES` has the rule of its kind, the Caffe layer that it is.
Where that says nothing it is refused: nothing is carried over that nobody has thought of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from keras_fcn import layers as caffe
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.layers.spatial import Channels
from keras_fcn.graph.calls import Call
from keras_fcn.layers.known import entry, stock_name
from keras_fcn.surgery.cells.common import Rule
from keras_fcn.surgery.cells.products import dense, inner_product
from keras_fcn.surgery.cells.rearranging import (
    caffe_permute,
    caffe_reshape,
    permute,
    reshape,
    transpose,
)
from keras_fcn.surgery.cells.values import (
    along_caffe_axis,
    concatenate,
    each,
    local_response,
    merge,
    normalize,
    on_channels,
    operation,
    rescaling,
    scale,
    softmax_of_caffe,
    stock_prelu,
    with_axis,
)
from keras_fcn.surgery.cells.windows import AVERAGE, MAX, convolution, operation_pooling, pooling
from keras_fcn.unbuilder import unbuild


def rule_of(operation: Any) -> Rule | None:
    """The rule for a layer or an operation; what has methods of its own has none."""
    if not isinstance(operation, keras.layers.Layer):
        return _OPERATIONS.get(stock_name(operation))
    return entry(operation, RULES) or _rule_of_kind(operation)


def _rule_of_kind(layer: Any) -> Rule | None:
    """The rule of the Caffe layer that a layer is."""
    try:
        params = unbuild(layer)
    except CaffeError:  # Caffe lacks a setting of it
        return None
    return None if params is None else _KINDS.get(params.channels)


REARRANGING = {
    caffe.CaffePermute: caffe_permute,
    caffe.CaffeReshape: caffe_reshape,
    layers.Flatten: reshape,
    layers.Permute: permute,
    layers.Reshape: reshape,
}
RULES: Mapping[type, Rule] = {
    **REARRANGING,
    **dict.fromkeys(
        (
            *(layers.Activation, layers.ActivityRegularization, layers.AlphaDropout),
            *(layers.Dropout, layers.ELU),
            *(layers.GaussianDropout, layers.GaussianNoise, layers.Identity, layers.LeakyReLU),
            *(layers.ReLU, layers.SpatialDropout2D),
        ),
        each,
    ),
    **dict.fromkeys(
        (
            *(caffe.Eltwise, layers.Add, layers.Average, layers.Maximum, layers.Minimum),
            *(layers.Multiply, layers.Subtract),
        ),
        merge,
    ),
    **dict.fromkeys(
        (
            *(layers.BatchNormalization, layers.LayerNormalization, layers.Normalization),
            *(layers.RMSNormalization, layers.Softmax, layers.UnitNormalization),
        ),
        with_axis(-1),
    ),
    **dict.fromkeys((caffe.ArgMax, caffe.Slice, caffe.Tile), along_caffe_axis),
    **dict.fromkeys((caffe.Bias, caffe.Scale), scale),
    **dict.fromkeys(
        (caffe.Convolution, layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D),
        convolution,
    ),
    **dict.fromkeys((caffe.CaffeAveragePooling2D, layers.AveragePooling2D), pooling(AVERAGE)),
    **dict.fromkeys((caffe.CaffeMaxPooling2D, layers.MaxPooling2D), pooling(MAX)),
    caffe.InnerProduct: inner_product,
    caffe.LocalResponseNormalization: local_response,
    caffe.Normalize: normalize,
    caffe.PixelwiseSoftmax: softmax_of_caffe,
    layers.Concatenate: concatenate,
    layers.Dense: dense,
    layers.GlobalAveragePooling2D: AVERAGE,
    layers.GlobalMaxPooling2D: MAX,
    layers.PReLU: stock_prelu,
    layers.Rescaling: rescaling,
}
"""Keras layer class -> rule; subclasses that compute as their base use its rule."""

_KINDS: Mapping[Channels | None, Rule] = {Channels.EACH: each, Channels.ALONG: on_channels}
"""Cast rules of layers that are not listed, by their kind's effect on the channels."""

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
        operation,
    ),
    **dict.fromkeys(("ExpandDims", "Reshape", "Squeeze"), reshape),
    **dict.fromkeys(("LogSoftmax", "Softmax"), with_axis(-1)),
    "Concatenate": concatenate,
    "Max": operation_pooling(MAX),
    "Mean": operation_pooling(AVERAGE),
    "Transpose": transpose,
}
"""Class name of an operation of `keras.ops` -> rule."""

_WHOLE_OPERATIONS = ("Max", "Mean")
_FLAT_OPERATIONS = ("ExpandDims", "Reshape", "Squeeze", "Transpose")


def makes_vectors(call: Call) -> bool:
    """Whether a layer may turn a map into vectors: the rules then take the map itself."""
    operation = call.operation
    if not isinstance(operation, keras.layers.Layer):
        kind = type(operation).__name__
        return kind in _FLAT_OPERATIONS or (kind in _WHOLE_OPERATIONS and not _keeps_map(operation))
    whole = getattr(operation, "global_pooling", False)
    flat = (*REARRANGING, caffe.InnerProduct)
    ends = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)
    return whole or isinstance(operation, (*flat, *ends))


def _keeps_map(operation: Any) -> bool:
    """Whether a mean or maximum is one along an axis of the map, which stays a map."""
    axes = {None if axis is None else axis % 4 for axis in keras.tree.flatten(operation.axis)}
    return bool(operation.keepdims) and axes != {1, 2}
