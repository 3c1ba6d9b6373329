"""Convolution3D, Deconvolution3D and Pooling3D."""

from __future__ import annotations

import dataclasses
from typing import Any

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.deconvolution import Deconvolution
from keras_fcn.caffe.layers.volumetric import Convolution3D, Deconvolution3D, Pooling3D
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.convolution import convolution, deconvolution
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.pooling import Axis, behind, pooled
from keras_fcn.caffe.onnx.registry import to_onnx


@to_onnx(Convolution3D, Deconvolution3D)
def convolution3d(layer: Layer[Convolution3D], graph: LayerGraph, x: str) -> Any:
    """BVLC Caffe's of three axes."""
    params = layer.params
    turned = isinstance(params, Deconvolution3D)
    same = (Deconvolution if turned else Convolution)(
        num_output=params.num_output,
        bias_term=params.bias_term,
        kernel_size=params.kernel,
        stride=params.strides,
        pad=params.padding,
    )
    write = deconvolution if turned else convolution
    plain: Layer[Any] = layer
    return write(dataclasses.replace(plain, params=same), graph, x)


@to_onnx(Pooling3D)
def pooling3d(layer: Layer[Pooling3D], graph: LayerGraph, x: str) -> Any:
    """Maxima or means; what lies behind the map does not count."""
    params, sizes = layer.params, (layer.bottoms[0].shape or ())[2:]
    if params.pool not in ("MAX", "AVE"):
        raise UnsupportedLayerError(f"pool: {params.pool} is not written as ONNX")
    fields = (sizes, params.kernel, params.strides, params.padding)
    axes = [
        Axis(size, length, stride, pad, behind(length, stride, pad, "CEIL", clips=False))
        for size, length, stride, pad in zip(*fields, strict=True)
    ]
    return pooled(graph, x, params.pool, axes)
