"""Eltwise."""

from __future__ import annotations

from typing import Any

import keras

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers.eltwise import Eltwise
from keras_fcn.caffe.net.network import Layer

_KERAS = {"SUM": keras.layers.Add, "PROD": keras.layers.Multiply}


@builds(Eltwise)
def eltwise(layer: Layer[Eltwise], *tensors: Any) -> Any:
    """Keras' own where nothing but the operation is set; its Maximum differs on ties."""
    params = layer.params
    coeff = params.coeff
    if params.operation == "SUM" and layer.tops[0].name == layer.bottoms[0].name:
        # Caffe clears the top before it adds, and so loses a bottom in the same place.
        coeff = (0.0, *(coeff or (1.0,) * len(tensors))[1:])
    if params.operation in _KERAS and not coeff and tensors[0].shape:  # theirs take no scalars
        return _KERAS[params.operation](name=layer.keras_name)(list(tensors))
    return layers.Eltwise(
        operation=params.operation.lower(), coeff=coeff or None, name=layer.keras_name
    )(list(tensors))
