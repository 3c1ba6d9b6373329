"""Convolution."""

from __future__ import annotations

from typing import Any

import keras

from convert.errors import UnsupportedLayerError
from convert.layers.convolution import Convolution
from convert.network import Layer
from keras_fcn.builder.fillers import initializer
from keras_fcn.builder.registry import builds
from keras_fcn.layers import GroupedConv2D


@builds(Convolution)
def convolution(layer: Layer, x: Any) -> Any:
    """Caffe pads both sides alike, which Keras' "same" does at stride 1 only."""
    params: Convolution = layer.params  # type: ignore[assignment]
    if len(layer.bottoms) != 1 or len(x.shape) != 4 or params.axis not in (1, -3):
        raise UnsupportedLayerError(
            f"builds over one (N, C, H, W) bottom only, got {layer.bottoms[0].shape}"
        )
    kernel, stride, pad, dilation = (
        params.spatial(field, 2) for field in ("kernel_size", "stride", "pad", "dilation")
    )
    same = stride == (1, 1) and all(
        2 * p == d * (k - 1) for p, d, k in zip(pad, dilation, kernel, strict=True)
    )
    if any(pad) and not same:
        x = keras.layers.ZeroPadding2D(pad, name=f"{layer.keras_name}_pad")(x)
    settings = {
        "filters": params.num_output,
        "kernel_size": kernel,
        "strides": stride,
        "dilation_rate": dilation,
        "padding": "same" if any(pad) and same else "valid",
        "use_bias": params.bias_term,
        "kernel_initializer": initializer(params.weight_filler),
        "bias_initializer": initializer(params.bias_filler),
        "name": layer.keras_name,
    }
    # Keras' own refuses strides together with dilation.
    if params.group == 1 and (max(stride) == 1 or max(dilation) == 1):
        return keras.layers.Conv2D(**settings)(x)
    return GroupedConv2D(groups=params.group, **settings)(x)
