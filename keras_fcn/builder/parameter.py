"""Parameter."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers.parameter import Parameter
from keras_fcn.caffe.net.network import Layer


@builds(Parameter)
def parameter(layer: Layer[Parameter], anchor: Any) -> Any:
    """A layer without bottoms; it hangs on an input of the network."""
    shape = layer.params.shape
    if len(shape) > 2:
        shape = (shape[0], *shape[2:], shape[1])
    return layers.Parameter(shape, name=layer.keras_name)(anchor)
