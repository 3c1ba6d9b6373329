"""Pooling and SPP."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.pooling import Pooling
from keras_fcn.caffe.layers.spp import SPP
from keras_fcn.caffe.net.network import Layer

_METHODS = {
    "MAX": layers.CaffeMaxPooling2D,
    "AVE": layers.CaffeAveragePooling2D,
    "AVE_EXC_PAD": layers.ExclusiveAveragePooling2D,
    "AVE_TF": layers.ExclusiveAveragePooling2D,
    "STOCHASTIC": layers.CaffeStochasticPooling2D,
}


@builds(Pooling)
def pooling(layer: Layer[Pooling], x: Any) -> Any:
    """Caffe rounds sizes up; see `keras_fcn.layers.pooling`."""
    params = layer.params
    if params.pool not in _METHODS:
        raise UnsupportedLayerError(f"pool: {params.pool} is not built, only {sorted(_METHODS)}")
    settings: dict[str, Any] = {
        "pool_size": params.kernel_size,
        "strides": params.stride,
        "round_mode": params.round_mode.lower(),
        "global_pooling": params.global_pooling,
        "name": layer.keras_name,
    }
    if params.pool != "STOCHASTIC":
        settings["padding"] = params.pad
    if len(layer.tops) > 1:
        settings["return_mask"] = True
    if params.dilation != (1, 1):
        return layers.DilatedMaxPooling2D(dilation=params.dilation, **settings)(x)
    return _METHODS[params.pool](**settings)(x)


@builds(SPP)
def spp(layer: Layer[SPP], x: Any) -> Any:
    """Vectors of one length for maps of any size."""
    params = layer.params
    if params.pool not in ("MAX", "AVE"):
        raise UnsupportedLayerError(f"pool: {params.pool} is not built, only MAX and AVE")
    return layers.SPP(params.pyramid_height, params.pool.lower(), name=layer.keras_name)(x)
