"""Normalization layers."""

from __future__ import annotations

from typing import Any

from convert.layers.normalization import LRN
from convert.network import Layer
from keras_fcn.builder.registry import builds
from keras_fcn.layers import LocalResponseNormalization


@builds(LRN)
def lrn(layer: Layer, x: Any) -> Any:
    """Keras lacks it; see :mod:`keras_fcn.layers.local_response_normalization`."""
    params: LRN = layer.params  # type: ignore[assignment]
    return LocalResponseNormalization(
        local_size=params.local_size,
        alpha=params.alpha,
        beta=params.beta,
        k=params.k,
        norm_region=params.norm_region.lower(),
        name=layer.keras_name,
    )(x)
