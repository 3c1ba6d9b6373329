"""A detection network without its last layer, whose bottoms then are the outputs."""

from __future__ import annotations

from typing import Any, Literal

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.ssd import DetectionOutput
from keras_fcn.caffe.layers.yolo_output import YoloDetectionOutput, Yolov3DetectionOutput
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.net.network import Network

Detection = Literal["nodes", "none"]

_FINISHING = (DetectionOutput, YoloDetectionOutput, Yolov3DetectionOutput)
_SSD_BOTTOMS = 3  # a fourth one is for drawing


def with_detection(network: Network, detection: Detection) -> Network:
    """The network as it is, or `"none"`: without its detections, see `undetected`.

    Raises:
        ValueError: `detection` is none of these words.
    """
    if detection not in ("nodes", "none"):
        raise ValueError(f"detection must be 'nodes' or 'none'. Received: {detection!r}")
    return undetected(network) if detection == "none" else network


def undetected(network: Network) -> Network:
    """The network that gives what its layers of detections read: for SSD loc, conf, priors.

    Other outputs stay, but for what is made of detections.

    Raises:
        UnsupportedLayerError: there is no such layer, or a blob that it reads is overwritten.
    """
    layers = [layer for layer in network.layers if isinstance(layer.params, _FINISHING)]
    if not layers:
        raise UnsupportedLayerError(
            f"{network.path}: detection='none' leaves out DetectionOutput, which is not there"
        )
    dropped: set[Any] = set()
    for layer in network.layers:
        if layer in layers or dropped.intersection(blob.key for blob in layer.bottoms):
            dropped.update(blob.key for blob in layer.tops)
    names = [blob.name for blob in network.outputs if blob.key not in dropped]
    inputs = {blob.key for blob in network.inputs}
    for layer in layers:
        for blob in layer.bottoms[:_SSD_BOTTOMS] if _is_ssd(layer) else layer.bottoms:
            if network.blobs[blob.name].key != blob.key:
                raise UnsupportedLayerError(
                    f"{layer.place}: its bottom {blob.name!r} is overwritten later on, so that "
                    "detection='none' cannot give it"
                )
            if blob.key not in inputs:  # who feeds it has it
                names.append(blob.name)
    if not names:
        raise UnsupportedLayerError(
            f"{network.path}: without detections nothing is left of it: they read its inputs"
        )
    return network.with_outputs(list(dict.fromkeys(names)))


def _is_ssd(layer: Layer) -> bool:
    return isinstance(layer.params, DetectionOutput)
