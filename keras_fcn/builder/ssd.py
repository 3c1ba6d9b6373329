"""SSD's layers: Permute, Normalize, the priors, and what is made of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.multibox import DetectionEvaluate, MultiBoxLoss
from keras_fcn.caffe.layers.prior_box import PriorBox, PriorBoxClustered, Priors
from keras_fcn.caffe.layers.ssd import (
    DetectionOutput,
    DetectionOutputExtended,
    Normalize,
    Permute,
    UnitNormalize,
)
from keras_fcn.caffe.net.network import Layer

_UNIT_EPS = 1e-6  # fixed in the layer's source


@builds(Permute)
def permute(layer: Layer[Permute], x: Any) -> Any:
    """All axes in their new order."""
    params = layer.params
    return layers.CaffePermute(params.axes(len(x.shape)), name=layer.keras_name)(x)


@builds(Normalize)
def normalize(layer: Layer[Normalize], x: Any) -> Any:
    """SSD's, with a learned scale."""
    params = layer.params
    return layers.Normalize(
        params.across_spatial,
        params.channel_shared,
        params.eps,
        scale_initializer="zeros",
        name=layer.keras_name,
    )(x)


@builds(UnitNormalize)
def unit_normalize(layer: Layer[UnitNormalize], x: Any) -> Any:
    """NormFace's, which learns nothing."""
    params = layer.params
    return layers.Normalize(
        across_spatial=False,
        eps=_UNIT_EPS,
        use_scale=False,
        order=int(params.normalize_type[1:]),
        name=layer.keras_name,
    )(x)


@builds(PriorBox, PriorBoxClustered)
def prior_box(layer: Layer[Priors], *tensors: Any) -> Any:
    """The boxes of one position are listed; the layer lays them around every position."""
    params = layer.params
    return layers.PriorBox(
        params.boxes,
        params.variances,
        image_size=params.image,
        step=params.steps,
        offset=params.offset,
        clip=params.clip,
        name=layer.keras_name,
    )(list(tensors))


@builds(DetectionOutput, DetectionOutputExtended)
def detection_output(layer: Layer, *tensors: Any) -> Any:
    """A layer with the same arguments; images, a fourth bottom, are for drawing only."""
    arguments = dataclasses.asdict(layer.params)
    arguments.update(arguments.pop("nms_param"))
    cells = isinstance(layer.params, DetectionOutputExtended)
    return layers.DetectionOutput(**arguments, cells=cells, name=layer.keras_name)(
        list(tensors[:3])
    )


@builds(MultiBoxLoss)
def multibox_loss(layer: Layer[MultiBoxLoss], *tensors: Any) -> Any:
    """A layer with the same arguments that gives the loss as a number."""
    params = layer.params
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


@builds(DetectionEvaluate)
def detection_evaluate(layer: Layer, *tensors: Any) -> Any:
    """A layer with the same arguments; the sizes of images are read from the file."""
    arguments = dataclasses.asdict(layer.params)
    source = arguments.pop("name_size_file")
    sizes = () if source is None else _sizes(source, Path(layer.path).parent)
    arguments["resize"] = arguments.pop("resize_param")
    return layers.DetectionEvaluate(**arguments, sizes=sizes, name=layer.keras_name)(list(tensors))


def _sizes(source: str, folder: Path) -> list[tuple[int, int]]:
    """Heights and widths from lines "name height width"; what follows another line is not read."""
    here, beside = Path(source), folder / source
    try:
        words = (here if here.exists() or not beside.exists() else beside).read_text().split()
    except (OSError, UnicodeDecodeError) as error:
        raise UnsupportedLayerError(
            f"name_size_file: cannot read {source!r}, which holds the sizes of the images: "
            f"{getattr(error, 'strerror', None) or 'no text'}"
        ) from error
    sizes = []
    for height, width in zip(words[1::3], words[2::3], strict=False):
        if not (height.isdecimal() and width.isdecimal()):
            break
        sizes.append((int(height), int(width)))
    return sizes
