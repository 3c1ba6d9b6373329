"""YOLO's layers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from keras_fcn import layers
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers.eval_detection import AnchorEvalDetection, EvalDetection
from keras_fcn.caffe.layers.region_loss import RegionLoss
from keras_fcn.caffe.layers.yolo import FlatRegion, Region
from keras_fcn.caffe.layers.yolo_output import YoloDetectionOutput, Yolov3DetectionOutput
from keras_fcn.unbuilder.registry import alike, unbuilds


@unbuilds(layers.Region)
def region(layer: Any) -> LayerParams:
    """BirdeeChen's, which is flat, or OpenVINO's."""
    if layer.flat and not layer.centers:
        return alike(layer, FlatRegion, boxes_of_each_grid="num")
    if layer.softmax and layer.centers and not layer.flat:
        return alike(layer, Region)
    raise UnsupportedLayerError(
        f"softmax: {layer.softmax}, centers: {layer.centers} and flat: {layer.flat}: Caffe's have "
        "all but flat, or flat without centers"
    )


@unbuilds(layers.YoloDetectionOutput)
def yolo_detection_output(layer: Any) -> LayerParams:
    """YOLO v2's boxes are the same in each map, v3's come with a class each."""
    maps = [tuple(map(tuple, anchors)) for anchors in layer.anchors]
    common: dict[str, Any] = {
        "num_classes": layer.num_classes,
        "num_box": len(maps[0]),
        "confidence_threshold": layer.confidence_threshold,
        "nms_threshold": layer.nms_threshold,
    }
    if layer.each_class:
        every = list(itertools.chain(*maps))
        return Yolov3DetectionOutput(
            biases=_flat(every),
            mask=tuple(range(len(every))),
            mask_group_num=len(maps),
            anchors_scale=(1,) * len(maps),
            **common,
        )
    if len(set(maps)) > 1:
        raise UnsupportedLayerError("anchors: YOLO v2's are the same in each map")
    return YoloDetectionOutput(biases=_flat(maps[0]), **common)


@unbuilds(layers.EvalDetection)
def eval_detection(layer: Any) -> LayerParams:
    """YOLO v2's with anchors."""
    if not layer.anchors:
        return alike(layer, EvalDetection)
    config = layer.get_config()
    names = AnchorEvalDetection.__dataclass_fields__
    fields = {name: config[name] for name in names if name in config}
    return AnchorEvalDetection(**fields, biases=_flat(layer.anchors))


@unbuilds(layers.RegionLoss)
def region_loss(layer: Any) -> LayerParams:
    """Flags are numbers in Caffe."""
    config = layer.get_config()
    fields = {name: config[name] for name in RegionLoss.__dataclass_fields__ if name in config}
    fields |= {name: int(fields[name]) for name in ("bias_match", "rescore")}
    return RegionLoss(**fields, num=len(layer.anchors), biases=_flat(layer.anchors))


def _flat(anchors: Iterable[Sequence[float]]) -> tuple[float, ...]:
    return tuple(itertools.chain(*anchors))
