"""Reduction and ArgMax."""

from __future__ import annotations

import dataclasses
from typing import Any

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers.reduction import ArgMax, Reduction
from keras_fcn.caffe.net.network import Layer


@builds(Reduction)
def reduction(layer: Layer[Reduction], x: Any) -> Any:
    """Sums or means over the last of Caffe's axes."""
    params = layer.params
    return layers.Reduction(
        params.operation.lower(), params.axis, params.coeff, name=layer.keras_name
    )(x)


@builds(ArgMax)
def argmax(layer: Layer, x: Any) -> Any:
    """Places of the largest elements as floats; of equal ones the last."""
    return layers.ArgMax(**dataclasses.asdict(layer.params), name=layer.keras_name)(x)
