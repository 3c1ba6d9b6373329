"""YOLO's layers: Reorg, Region, what the networks found, scores and losses."""

from __future__ import annotations

import dataclasses
from typing import Any

from keras_fcn import layers
from keras_fcn.builder.registry import builds
from keras_fcn.caffe.layers.eval_detection import AnchorEvalDetection, EvalDetection
from keras_fcn.caffe.layers.region_loss import RegionLoss
from keras_fcn.caffe.layers.yolo import FlatRegion, Region, Reorg
from keras_fcn.caffe.layers.yolo_output import YoloDetectionOutput, Yolov3DetectionOutput
from keras_fcn.caffe.net.network import Layer


@builds(Reorg)
def reorg(layer: Layer, x: Any) -> Any:
    """A layer with the same arguments."""
    return layers.Reorg(**dataclasses.asdict(layer.params), name=layer.keras_name)(x)


@builds(FlatRegion)
def flat_region(layer: Layer[FlatRegion], x: Any) -> Any:
    """Box by box, position by position."""
    params = layer.params
    return layers.Region(
        params.classes,
        params.coords,
        params.boxes_of_each_grid,
        softmax=params.softmax,
        centers=False,
        flat=True,
        name=layer.keras_name,
    )(x)


@builds(Region)
def region(layer: Layer, x: Any) -> Any:
    """In the places of the bottom."""
    return layers.Region(**dataclasses.asdict(layer.params), name=layer.keras_name)(x)


@builds(YoloDetectionOutput, Yolov3DetectionOutput)
def yolo_detection_output(layer: Layer[Yolov3DetectionOutput], *tensors: Any) -> Any:
    """Boxes by score and overlap, one image at a time."""
    params = layer.params
    return layers.YoloDetectionOutput(
        params.anchors(len(tensors)),
        params.num_classes,
        params.confidence_threshold,
        params.nms_threshold,
        each_class=isinstance(params, Yolov3DetectionOutput),
        name=layer.keras_name,
    )(list(tensors))


@builds(EvalDetection, AnchorEvalDetection)
def eval_detection(layer: Layer, *tensors: Any) -> Any:
    """A layer with the same arguments."""
    arguments = dataclasses.asdict(layer.params)
    biases = arguments.pop("biases", ())
    anchors = list(zip(biases[::2], biases[1::2], strict=False))[: arguments["num_object"]]
    return layers.EvalDetection(**arguments, anchors=anchors, name=layer.keras_name)(list(tensors))


@builds(RegionLoss)
def region_loss(layer: Layer, *tensors: Any) -> Any:
    """A layer that gives the loss as a number, and the source's own gradient."""
    arguments = dataclasses.asdict(layer.params)
    biases, count = arguments.pop("biases"), arguments.pop("num")
    for name in ("coords", "softmax_tree"):
        del arguments[name]
    for name in ("bias_match", "rescore"):
        arguments[name] = bool(arguments[name])
    anchors = list(zip(biases[::2], biases[1::2], strict=False))[:count]
    return layers.RegionLoss(anchors, **arguments, name=layer.keras_name)(list(tensors))
