"""Pooling."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers.pooling import Pooling
from keras_fcn.caffe.layers.reduction import Reduction
from keras_fcn.caffe.layers.spp import SPP
from keras_fcn.caffe.layers.volumetric import Pooling3D
from keras_fcn.unbuilder.inputs import rank
from keras_fcn.unbuilder.registry import is_no_layer, unbuilds, unbuilds_alike

unbuilds_alike({layers.SPP: SPP})

_METHODS = {
    layers.CaffeAveragePooling2D: "AVE",
    layers.CaffeMaxPooling2D: "MAX",
    layers.CaffeStochasticPooling2D: "STOCHASTIC",
    layers.DilatedMaxPooling2D: "MAX",
    layers.ExclusiveAveragePooling2D: "AVE_EXC_PAD",
}


@unbuilds(*_METHODS)
def pooling(layer: Any) -> LayerParams:
    """Caffe's own; the dilation is of forks."""
    method = next(_METHODS[cls] for cls in type(layer).__mro__ if cls in _METHODS)
    return Pooling(
        pool=method,
        kernel_size=layer.pool_size,
        stride=tuple(layer.strides),
        pad=tuple(layer.padding),
        global_pooling=layer.global_pooling,
        round_mode=layer.round_mode.upper(),
        dilation=tuple(getattr(layer, "dilation", (1, 1))),
    )


@unbuilds(keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
def stock_pooling(layer: Any) -> LayerParams | None:
    """Keras rounds down, and leaves padding out of averages."""
    average = isinstance(layer, keras.layers.AveragePooling2D)
    padded = layer.padding == "same"
    height, width = layer.pool_size
    if padded and (max(layer.strides) > 1 or height % 2 == 0 or width % 2 == 0):
        return None
    return Pooling(
        pool=("AVE_EXC_PAD" if padded else "AVE") if average else "MAX",
        kernel_size=(height, width),
        stride=tuple(layer.strides),
        pad=(height // 2, width // 2) if padded else (0, 0),
        round_mode="FLOOR",
    )


@unbuilds(
    *(
        getattr(keras.layers, f"Global{kind}Pooling{n}D")
        for kind in ("Average", "Max")
        for n in (1, 2, 3)
    )
)
def global_pooling(layer: Any) -> LayerParams | None:
    """One number a channel."""
    average = "Average" in type(layer).__name__
    if layer.keepdims and rank(layer) == 4:
        return Pooling(pool="AVE" if average else "MAX", global_pooling=True)
    if average and not layer.keepdims:
        return Reduction(operation="MEAN", axis=2)
    return None


@unbuilds(layers.Pooling3D)
def pooling_3d(layer: Any) -> LayerParams:
    """C3D's: windows and steps as high as wide, and no padding along the frames."""
    sides = {"pool_size": layer.pool_size, "strides": layer.strides, "padding": layer.padding}
    for field, (_, high, wide) in sides.items():
        if high != wide:
            raise UnsupportedLayerError(f"{field}: {sides[field]}: Caffe's is as high as wide")
    if layer.padding[0]:
        raise UnsupportedLayerError(f"padding: {layer.padding}: Caffe's pads no frames")
    return Pooling3D(
        kernel_depth=layer.pool_size[0],
        kernel_size=layer.pool_size[1],
        temporal_stride=layer.strides[0],
        stride=layer.strides[1],
        pad=layer.padding[1],
        pool=layer.method.upper(),
    )


is_no_layer(
    {
        layers.DensePooling2D: "it pools with dilation (in place of a stride), which Caffe's lacks",
        keras.layers.MaxPooling1D: "Caffe pools along height and width only",
        keras.layers.MaxPooling3D: "Caffe pools along height and width only",
        keras.layers.AveragePooling1D: "Caffe pools along height and width only",
        keras.layers.AveragePooling3D: "Caffe pools along height and width only",
    }
)
