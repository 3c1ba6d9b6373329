"""Crop."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers.crop import Crop
from keras_fcn.caffe.net.network import Layer


@builds(Crop)
def crop(layer: Layer[Crop], x: Any, reference: Any) -> Any:
    """Follows the sizes of its second bottom when it runs."""
    params = layer.params
    return layers.Crop(params.axis, params.offset or 0, name=layer.keras_name)([x, reference])
