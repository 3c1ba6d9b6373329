"""Layers with several inputs or outputs."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers.concat import Concat, Slice, Tile
from keras_fcn.caffe.layers.crop import Crop
from keras_fcn.caffe.layers.eltwise import Eltwise
from keras_fcn.caffe.layers.mobile import Axpy
from keras_fcn.caffe.layers.selection import BatchReindex, Embed, Filter
from keras_fcn.caffe.layers.shape import Split
from keras_fcn.unbuilder.inputs import caffe_axis, input_shapes
from keras_fcn.unbuilder.registry import is_no_layer, unbuilds, unbuilds_alike

unbuilds_alike(
    {
        layers.Axpy: Axpy,
        layers.BatchReindex: BatchReindex,
        layers.Crop: Crop,
        layers.Filter: Filter,
        layers.Tile: Tile,
    }
)
unbuilds_alike({layers.Embed: Embed}, num_output="output_dim", bias_term="use_bias")


@unbuilds(keras.layers.Concatenate)
def concatenate(layer: Any) -> LayerParams:
    """Along Caffe's axis."""
    return Concat(axis=caffe_axis(layer, layer.axis))


@unbuilds(layers.Slice)
def slice_(layer: Any) -> LayerParams:
    """In equal parts, or where the points are."""
    points = () if isinstance(layer.parts, int) else tuple(layer.parts)
    return Slice(axis=layer.axis, slice_point=points)


@unbuilds(layers.Eltwise)
def eltwise(layer: Any) -> LayerParams:
    """Of blobs of one shape."""
    return Eltwise(operation=layer.operation.upper(), coeff=tuple(layer.coeff or ()))


_OPERATIONS = {
    keras.layers.Add: "SUM",
    keras.layers.Average: "SUM",
    keras.layers.Maximum: "MAX",
    keras.layers.Multiply: "PROD",
    keras.layers.Subtract: "SUM",
}


@unbuilds(*_OPERATIONS)
def merge(layer: Any) -> LayerParams | None:
    """Of tensors of one shape; others are first laid along each other."""
    shapes = [shape[1:] for shape in input_shapes(layer)]
    if len(shapes) == 1:
        return Split()
    if len(set(shapes)) > 1:
        return None
    kind = next(cls for cls in type(layer).__mro__ if cls in _OPERATIONS)
    count = len(shapes)
    coeff = {keras.layers.Average: (1 / count,) * count, keras.layers.Subtract: (1.0, -1.0)}
    return Eltwise(operation=_OPERATIONS[kind], coeff=coeff.get(kind, ()))


is_no_layer(
    {
        keras.layers.Minimum: "Caffe has maxima only; it is minus that of the negatives",
        keras.layers.Dot: "Caffe has no product of two matrices that are both blobs",
        keras.layers.Embedding: "its rows are Caffe's last axis, and Keras' channels",
        keras.layers.RepeatVector: "it is a Reshape and a Tile in Caffe",
        layers.CommonSize: "it crops two maps to what both have; Caffe's Crop needs a blob of it",
        layers.Constant: "it is numbers that a function of the user's made",
        layers.Overwritten: "it is what an in-place layer leaves in another blob",
    }
)
