"""Optical flow and resizing: Resample, Resize, Correlation, FlowWarp, Accum."""

from __future__ import annotations

from typing import Any

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers import correlation as caffe_correlation
from keras_fcn.caffe.layers import flow
from keras_fcn.caffe.net.network import Layer

_FILL = {"ZERO": 0.0, "NOT_A_NUMBER": float("nan")}


@builds(flow.Resample)
def resample(layer: Layer[flow.Resample], x: Any, *like: Any) -> Any:
    """`Resample`: linear, cubic or nearest."""
    params = layer.params
    own = layers.Resample(
        size=None if like else (params.height, params.width),
        method=params.type.lower(),
        antialias=params.antialias,
        name=layer.keras_name,
    )
    return own([x, *like] if like else x)


@builds(flow.Resize)
def resize(layer: Layer[flow.Resize], x: Any) -> Any:
    """`Resize`: bilinear, with zeros behind the border."""
    params = layer.params
    scales = (params.out_height_scale, params.out_width_scale)
    size: dict[str, Any] = {"size": (params.height, params.width)}
    if params.is_pyramid_test:
        size = {"scale": scales}
    return layers.Resize(**size, name=layer.keras_name)(x)


@builds(caffe_correlation.Correlation)
def correlation(layer: Layer[caffe_correlation.Correlation], *tensors: Any) -> Any:
    """`Correlation`: correlation of displaced positions."""
    return layers.Correlation(**_correlation(layer))(list(tensors))


@builds(caffe_correlation.Correlation1D)
def correlation_1d(layer: Layer[caffe_correlation.Correlation1D], *tensors: Any) -> Any:
    """`Correlation1D`: correlation of positions in the same row."""
    params = layer.params
    return layers.Correlation1D(**_correlation(layer), single_direction=params.single_direction)(
        list(tensors)
    )


@builds(flow.FlowWarp)
def flow_warp(layer: Layer[flow.FlowWarp], *tensors: Any) -> Any:
    """`FlowWarp`: bilinear samples where the flow points to."""
    params = layer.params
    fill_value = _FILL[params.fill_value]
    return layers.FlowWarp(fill_value, name=layer.keras_name)(list(tensors))


@builds(flow.Accum)
def accum(layer: Layer[flow.Accum], *tensors: Any) -> Any:
    """`Accum`: maps in one size, side by side."""
    params = layer.params
    return layers.Accum(
        (params.top_height, params.top_width),
        params.size_divisible_by,
        params.have_reference,
        name=layer.keras_name,
    )(list(tensors))


def _correlation(layer: Layer[caffe_correlation.Correlation]) -> dict[str, Any]:
    params = layer.params
    return {
        "kernel_size": params.kernel_size,
        "max_displacement": params.max_displacement,
        "padding": params.pad,
        "strides": params.stride_1,
        "displacement_strides": params.stride_2,
        "method": params.correlation_type.lower(),
        "name": layer.keras_name,
    }
