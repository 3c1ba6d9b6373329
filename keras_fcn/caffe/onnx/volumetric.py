"""Convolution3D, Deconvolution3D and Pooling3D."""

from __future__ import annotations

from typing import Any

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.deconvolution import Deconvolution
from keras_fcn.caffe.layers.volumetric import Convolution3D, Deconvolution3D, Pooling3D
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.nodes.windows import plain_convolution, pooling3d_axes
from keras_fcn.caffe.onnx.convolution import convolution, deconvolution
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.pooling import pooled
from keras_fcn.caffe.onnx.registry import to_onnx


@to_onnx(Convolution3D, Deconvolution3D)
def convolution3d(layer: Layer[Convolution3D], graph: LayerGraph, x: str) -> Any:
    """BVLC Caffe's of three axes."""
    plain = plain_convolution(layer)
    write = deconvolution if isinstance(plain.params, Deconvolution) else convolution
    return write(plain, graph, x)


@to_onnx(Pooling3D)
def pooling3d(layer: Layer[Pooling3D], graph: LayerGraph, x: str) -> Any:
    """Maxima or means; what lies behind the map does not count."""
    if layer.params.pool not in ("MAX", "AVE"):
        raise UnsupportedLayerError(f"pool: {layer.params.pool} is not written as ONNX")
    return pooled(graph, x, layer.params.pool, pooling3d_axes(layer))
