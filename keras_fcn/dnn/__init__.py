"""OpenCV's `cv2.dnn` for Caffe networks, which OpenCV 5 does not read any more.

    from keras_fcn import dnn

    net = dnn.readNetFromCaffe("deploy.prototxt", "net.caffemodel")
    net.setInput(dnn.blobFromImage(image, 1.0, (300, 300), (104, 177, 123)))
    detections = net.forward()

A script changes its import; one that cannot be changed runs after `dnn.patch_opencv()`. Networks
run in onnxruntime, as `keras_fcn.caffe.onnx` writes them; neither TensorFlow nor Keras is loaded.
All else, such as `blobFromImage`, `NMSBoxes` and constants, is OpenCV's own.
"""

from __future__ import annotations

from typing import Any

from keras_fcn.dnn.net import Layer, Net
from keras_fcn.dnn.reading import patch_opencv, readNet, readNetFromCaffe

__all__ = ["Layer", "Net", "patch_opencv", "readNet", "readNetFromCaffe"]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import cv2
    except ImportError as error:
        raise AttributeError(
            f"keras_fcn.dnn.{name} is OpenCV's own: pip install opencv-python-headless"
        ) from error
    return getattr(cv2.dnn, name)
