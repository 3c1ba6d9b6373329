"""Scale and Bias, and what no layer makes."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers.base import Filler
from keras_fcn.caffe.layers.dummy_data import DummyData
from keras_fcn.caffe.layers.parameter import Parameter
from keras_fcn.caffe.layers.scale import Bias, Scale, ScaleByBottom
from keras_fcn.layers._axes import channels_first_shape
from keras_fcn.unbuilder.inputs import input_shapes
from keras_fcn.unbuilder.registry import unbuilds


@unbuilds(layers.Scale)
def scale(layer: Any) -> LayerParams:
    """The scale is learned, or it is the second bottom."""
    if len(input_shapes(layer)) > 1:
        return ScaleByBottom(axis=layer.axis, bias_term=layer.use_bias)
    return Scale(axis=layer.axis, num_axes=len(layer.shape), bias_term=layer.use_bias)


@unbuilds(layers.Bias)
def bias(layer: Any) -> LayerParams:
    """The bias is learned, or it is the second bottom."""
    if len(input_shapes(layer)) > 1:
        return Bias(axis=layer.axis)
    return Bias(axis=layer.axis, num_axes=len(layer.shape))


@unbuilds(layers.Parameter)
def parameter(layer: Any) -> LayerParams:
    """A layer without bottoms."""
    return Parameter(shape=channels_first_shape(layer.shape))


@unbuilds(layers.DummyData)
def dummy_data(layer: Any) -> LayerParams:
    """Filled blobs; a size that follows the batch is 1."""
    shapes = (tuple(1 if size is None else size for size in shape) for shape in layer.shapes)
    return DummyData(
        shape=tuple(map(channels_first_shape, shapes)),
        data_filler=tuple(Filler(**filler) for filler in layer.fillers),
    )
