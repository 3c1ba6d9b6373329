"""Caffe layer parameters -> the one function that writes their ONNX nodes."""

from __future__ import annotations

from keras_fcn.caffe.layers.detectnet import ClusterDetections
from keras_fcn.caffe.nodes.registry import NOT_FOR_INFERENCE, Registry

to_onnx = Registry(
    "ONNX",
    {
        **NOT_FOR_INFERENCE,
        ClusterDetections: "it groups boxes as OpenCV's groupRectangles does, which no operator "
        "says",
    },
    ("custom=True keeps it for Python", "--custom keeps it for Python"),
)
WRITERS, REFUSED = to_onnx.writers, to_onnx.refused
