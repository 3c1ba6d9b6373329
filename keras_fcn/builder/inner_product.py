"""InnerProduct."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers.inner_product import InnerProduct
from keras_fcn.caffe.net.network import Layer
from keras_fcn.layers import _stock


@builds(InnerProduct)
def inner_product(layer: Layer[InnerProduct], x: Any) -> Any:
    """A Dense over (H, W, C), whose kernel the converter has reordered from (C, H, W)."""
    params = layer.params
    name, rank = layer.keras_name, len(x.shape)
    settings: dict[str, Any] = {
        "units": params.num_output,
        "use_bias": params.bias_term,
        "kernel_initializer": "zeros",
        "bias_initializer": "zeros",
        "name": name,
    }
    if not params.flattens and (rank, params.axis % rank) != (2, 1):
        settings["input_dim"] = (layer.weight_shapes or ((),))[0][0 if params.transpose else 1]
        return layers.InnerProduct(axis=params.axis, **settings)(x)
    if rank > 2:
        x = _stock.Flatten(name=f"{name}_flatten")(x)
    elif layer.flattened_channels is not None:
        x = keras.layers.Reshape((layer.flattened_channels, -1), name=f"{name}_chw")(x)
        x = keras.layers.Permute((2, 1), name=f"{name}_hwc")(x)
        x = _stock.Flatten(name=f"{name}_flatten")(x)
    return keras.layers.Dense(**settings)(x)
