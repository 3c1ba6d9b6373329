"""Caffe's layer types: one module a family.

A new type is one ``@caffe_layer`` class: typed parameters with Caffe's defaults,
a shape rule, and, where it has weights, their shapes and Keras layout.
"""

from convert.layers import (
    activation,
    convolution,
    data,
    eltwise,
    inner_product,
    layout,
    normalization,
    parameter,
    pooling,
    scale,
    shape,
)
from convert.layers.base import (
    LAYER_TYPES,
    Filler,
    KerasWeight,
    LayerParams,
    Shape,
    Shapes,
    UnknownLayer,
    caffe_layer,
)

__all__ = [
    "LAYER_TYPES",
    "Filler",
    "KerasWeight",
    "LayerParams",
    "Shape",
    "Shapes",
    "UnknownLayer",
    "activation",
    "caffe_layer",
    "convolution",
    "data",
    "eltwise",
    "inner_product",
    "layout",
    "normalization",
    "parameter",
    "pooling",
    "scale",
    "shape",
]
