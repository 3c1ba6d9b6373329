"""Convolution3D, Deconvolution3D and Pooling3D."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import volumetric
from keras_fcn.caffe.net.network import Layer

_METHODS = ("MAX", "AVE")


@builds(volumetric.Convolution3D)
def convolution3d(layer: Layer[volumetric.Convolution3D], x: Any) -> Any:
    """`Convolution` over frames, rows and columns."""
    return layers.Convolution(**_arguments(layer))(x)


@builds(volumetric.Deconvolution3D)
def deconvolution3d(layer: Layer[volumetric.Deconvolution3D], x: Any) -> Any:
    """`Deconvolution` over frames, rows and columns."""
    return layers.Deconvolution(**_arguments(layer))(x)


def _arguments(layer: Layer[volumetric.Convolution3D]) -> dict[str, Any]:
    params = layer.params
    return {
        "filters": params.num_output,
        "kernel_size": params.kernel,
        "strides": params.strides,
        "padding": params.padding,
        "use_bias": params.bias_term,
        "kernel_initializer": "zeros",
        "bias_initializer": "zeros",
        "name": layer.keras_name,
    }


@builds(volumetric.Pooling3D)
def pooling3d(layer: Layer[volumetric.Pooling3D], x: Any) -> Any:
    """`Pooling3D` over frames, rows and columns."""
    params = layer.params
    if params.pool not in _METHODS:
        raise UnsupportedLayerError(f"pool: {params.pool} is not built, only {_METHODS}")
    return layers.Pooling3D(
        params.kernel,
        params.strides,
        params.padding,
        params.pool.lower(),
        name=layer.keras_name,
    )(x)
