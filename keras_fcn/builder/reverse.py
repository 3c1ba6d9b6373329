"""Reverse, Flip and Transpose."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers import reverse as caffe
from keras_fcn.caffe.net.network import Layer


@builds(caffe.Reverse, caffe.Flip)
def reverse(layer: Layer[caffe.Reversing], x: Any) -> Any:
    """`Reverse`: axes turned round."""
    params = layer.params
    return layers.Reverse(params.axes(len(x.shape)), name=layer.keras_name)(x)


@builds(caffe.Transpose)
def transpose(layer: Layer[caffe.Transpose], x: Any) -> Any:
    """All axes in their new order."""
    params = layer.params
    return layers.CaffePermute(params.axes(len(x.shape)), name=layer.keras_name)(x)
