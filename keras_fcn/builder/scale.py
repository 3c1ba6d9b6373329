"""Scale and Bias."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers.scale import Bias, Scale, ScaleByBottom
from keras_fcn.caffe.net.network import Layer


@builds(Scale, ScaleByBottom)
def scale(layer: Layer[Scale], *tensors: Any) -> Any:
    """The scale is learned, or the second bottom."""
    params = layer.params
    return layers.Scale(
        axis=params.axis,
        use_bias=params.bias_term,
        scale_initializer="zeros",
        bias_initializer="zeros",
        **_shape(layer),
    )(_one_or_two(tensors))


@builds(Bias)
def bias(layer: Layer[Bias], *tensors: Any) -> Any:
    """The bias is learned, or the second bottom."""
    params = layer.params
    return layers.Bias(axis=params.axis, bias_initializer="zeros", **_shape(layer))(
        _one_or_two(tensors)
    )


def _shape(layer: Layer) -> dict[str, Any]:
    return {"shape": next(iter(layer.weight_shapes or ()), None), "name": layer.keras_name}


def _one_or_two(tensors: tuple[Any, ...]) -> Any:
    return list(tensors) if len(tensors) > 1 else tensors[0]
