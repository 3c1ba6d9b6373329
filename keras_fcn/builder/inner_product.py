"""InnerProduct and Flatten."""

from __future__ import annotations

from typing import Any

import keras

from convert.errors import UnsupportedLayerError
from convert.layers.inner_product import InnerProduct
from convert.layers.shape import Flatten
from convert.network import Layer
from keras_fcn.builder.fillers import initializer
from keras_fcn.builder.registry import builds


@builds(InnerProduct)
def inner_product(layer: Layer, x: Any) -> Any:
    """A Dense over (H, W, C), whose kernel the converter has reordered from (C, H, W)."""
    params: InnerProduct = layer.params  # type: ignore[assignment]
    if params.axis != 1:
        raise UnsupportedLayerError(f"axis: {params.axis} is not built yet, only 1")
    name = layer.keras_name
    if len(x.shape) > 2:
        x = keras.layers.Flatten(name=f"{name}_flatten")(x)
    elif layer.flattened_channels is not None:
        x = keras.layers.Reshape((layer.flattened_channels, -1), name=f"{name}_chw")(x)
        x = keras.layers.Permute((2, 1), name=f"{name}_hwc")(x)
        x = keras.layers.Flatten(name=f"{name}_flatten")(x)
    return keras.layers.Dense(
        params.num_output,
        use_bias=params.bias_term,
        kernel_initializer=initializer(params.weight_filler),
        bias_initializer=initializer(params.bias_filler),
        name=name,
    )(x)


@builds(Flatten)
def flatten(layer: Layer, x: Any) -> Any:
    """One vector an image, in Caffe's (C, H, W) order."""
    if not layer.params.flattens:
        raise UnsupportedLayerError("only axis: 1, end_axis: -1 is built yet")
    if len(x.shape) > 2:
        rank = len(x.shape)
        x = keras.layers.Permute((rank - 1, *range(1, rank - 1)), name=f"{layer.keras_name}_chw")(x)
    return keras.layers.Flatten(name=layer.keras_name)(x)
