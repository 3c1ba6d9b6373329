"""Crop."""

from __future__ import annotations

from typing import Any

from convert.layers.crop import Crop
from convert.network import Layer
from keras_fcn import layers
from keras_fcn.builder.registry import builds


@builds(Crop)
def crop(layer: Layer, x: Any, reference: Any) -> Any:
    """Follows the sizes of its second bottom when it runs."""
    params: Crop = layer.params  # type: ignore[assignment]
    return layers.Crop(params.axis, params.offset or 0, name=layer.keras_name)([x, reference])
