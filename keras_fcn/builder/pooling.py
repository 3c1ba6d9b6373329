"""Pooling."""

from __future__ import annotations

from typing import Any

from convert.errors import UnsupportedLayerError
from convert.layers.pooling import Pooling
from convert.network import Layer
from keras_fcn.builder.registry import builds
from keras_fcn.layers import CaffeAveragePooling2D, CaffeMaxPooling2D

_METHODS = {"MAX": CaffeMaxPooling2D, "AVE": CaffeAveragePooling2D}


@builds(Pooling)
def pooling(layer: Layer, x: Any) -> Any:
    """Caffe rounds sizes up; see :mod:`keras_fcn.layers.pooling`."""
    params: Pooling = layer.params  # type: ignore[assignment]
    if params.pool not in _METHODS:
        raise UnsupportedLayerError(f"pool: {params.pool} is not built, only {sorted(_METHODS)}")
    if len(layer.tops) != 1:
        raise UnsupportedLayerError("a second top (the mask) is not built yet")
    return _METHODS[params.pool](
        pool_size=params.kernel_size,
        strides=params.stride,
        padding=params.pad,
        round_mode=params.round_mode.lower(),
        global_pooling=params.global_pooling,
        name=layer.keras_name,
    )(x)
