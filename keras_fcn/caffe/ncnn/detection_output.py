"""SSD's DetectionOutput."""

from __future__ import annotations

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.ssd import DetectionOutput
from keras_fcn.caffe.ncnn.graph import MUL, LayerGraph
from keras_fcn.caffe.ncnn.registry import to_ncnn
from keras_fcn.caffe.net.layer import Layer

_ONLY = {
    "code_type": "CENTER_SIZE",
    "share_location": True,
    "background_label_id": 0,
    "variance_encoded_in_target": False,
    "clip": False,
}
"""Field -> its only value in ncnn."""
_ALL = 2**31 - 1


@to_ncnn(DetectionOutput)
def detection_output(
    layer: Layer[DetectionOutput], graph: LayerGraph, loc: str, conf: str, priors: str, *_: str
) -> str:
    """Boxes decoded; the best of each class by overlap, and of those the best of the image.

    Of equal scores ncnn takes any first, where Caffe takes the first box.
    """
    params = layer.params
    _check(params)
    # Where the background is likely ncnn does not decode the box, though others find it.
    classes = np.ones((1, params.num_classes), np.float32)
    classes[0, 0] = 0
    scores = graph.reshape(conf, (None, params.num_classes))
    scores = graph.by_tensor(scores, MUL, graph.constant(classes))
    limits = params.nms_param.top_k, params.keep_top_k
    least = params.confidence_threshold
    return graph.add(
        "DetectionOutput",
        loc,
        scores,
        priors,
        settings={
            0: params.num_classes,
            1: float(params.nms_param.nms_threshold),
            2: limits[0] if limits[0] >= 0 else _ALL,
            3: limits[1] if limits[1] >= 0 else _ALL,
            4: -float(np.finfo(np.float32).max) if least is None else float(least),
        },
    )


def _check(params: DetectionOutput) -> None:
    """Refuse what ncnn's layer does not have."""
    given = {name: getattr(params, name) for name in _ONLY}
    given["nms_param: eta"] = params.nms_param.eta
    for name, only in {**_ONLY, "nms_param: eta": 1.0}.items():
        if given[name] != only:
            raise UnsupportedLayerError(
                f"{name}: {given[name]}: ncnn's detections have {only} alone; with "
                "detection='none' the layer is left out"
            )
    if params.num_classes < 2:
        raise UnsupportedLayerError(f"num_classes: {params.num_classes}: there is none to find")
    if (params.confidence_threshold or 0) >= 1:
        raise UnsupportedLayerError(
            f"confidence_threshold: {params.confidence_threshold}: ncnn decodes no box then"
        )
