"""Permute, Normalize, PriorBox, PriorBoxClustered, DetectionOutput and MultiBoxLoss."""

from __future__ import annotations

import dataclasses
from typing import Any

from convert.layers.multibox import MultiBoxLoss
from convert.layers.prior_box import PriorBox, PriorBoxClustered, Priors
from convert.layers.ssd import DetectionOutput, Normalize, Permute, UnitNormalize
from convert.network import Layer
from keras_fcn import layers
from keras_fcn.builder.registry import builds

_UNIT_EPS = 1e-6  # fixed in the layer's source


@builds(Permute)
def permute(layer: Layer, x: Any) -> Any:
    """All axes in their new order."""
    params: Permute = layer.params  # type: ignore[assignment]
    return layers.CaffePermute(params.axes(len(x.shape)), name=layer.keras_name)(x)


@builds(Normalize)
def normalize(layer: Layer, x: Any) -> Any:
    """SSD's, with a learned scale."""
    params: Normalize = layer.params  # type: ignore[assignment]
    return layers.Normalize(
        params.across_spatial,
        params.channel_shared,
        params.eps,
        scale_initializer="zeros",
        name=layer.keras_name,
    )(x)


@builds(UnitNormalize)
def unit_normalize(layer: Layer, x: Any) -> Any:
    """NormFace's, which learns nothing."""
    params: UnitNormalize = layer.params  # type: ignore[assignment]
    return layers.Normalize(
        across_spatial=False,
        eps=_UNIT_EPS,
        use_scale=False,
        order=int(params.normalize_type[1:]),
        name=layer.keras_name,
    )(x)


@builds(PriorBox, PriorBoxClustered)
def prior_box(layer: Layer, *tensors: Any) -> Any:
    """The boxes of a cell are listed; the layer lays them around every cell."""
    params: Priors = layer.params  # type: ignore[assignment]
    return layers.PriorBox(
        params.boxes,
        params.variances,
        image_size=params.image,
        step=params.steps,
        offset=params.offset,
        clip=params.clip,
        name=layer.keras_name,
    )(list(tensors))


@builds(DetectionOutput)
def detection_output(layer: Layer, *tensors: Any) -> Any:
    """A layer with the same arguments; images, a fourth bottom, are for drawing only."""
    arguments = dataclasses.asdict(layer.params)
    arguments.update(arguments.pop("nms_param"))
    return layers.DetectionOutput(**arguments, name=layer.keras_name)(list(tensors[:3]))


@builds(MultiBoxLoss)
def multibox_loss(layer: Layer, *tensors: Any) -> Any:
    """A layer with the same arguments that gives the loss as a number."""
    params: MultiBoxLoss = layer.params  # type: ignore[assignment]
    arguments = dataclasses.asdict(params)
    for name in ("do_neg_mining", "nms_param", "ignore_label"):
        del arguments[name]
    if params.nms_param is not None:
        arguments["nms_threshold"] = params.nms_param.nms_threshold
        arguments["top_k"] = params.nms_param.top_k
    arguments["normalization"] = params.normalization.lower()
    return layers.MultiBoxLoss(
        **arguments, judges=layer.propagate_down[:2] or (True, True), name=layer.keras_name
    )(list(tensors))
