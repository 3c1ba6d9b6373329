"""Caffe layer parameters -> the one function that writes their ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers.detectnet import ClusterDetections
from keras_fcn.caffe.layers.eval_detection import AnchorEvalDetection, EvalDetection
from keras_fcn.caffe.layers.multibox import DetectionEvaluate, MultiBoxLoss
from keras_fcn.caffe.layers.region_loss import RegionLoss
from keras_fcn.caffe.net.layer import Layer

ToOnnx = Callable[..., Any]
"""`write(layer, graph, *bottoms)`: tensors' names in, a top's name, or a tuple of them, out."""

F = TypeVar("F", bound=ToOnnx)

WRITERS: dict[type[LayerParams], ToOnnx] = {}

_TRUE_BOXES = "it compares with true boxes, which is for training and scoring"
REFUSED: Mapping[type[LayerParams], str] = {
    MultiBoxLoss: _TRUE_BOXES,
    RegionLoss: _TRUE_BOXES,
    DetectionEvaluate: _TRUE_BOXES,
    EvalDetection: _TRUE_BOXES,
    AnchorEvalDetection: _TRUE_BOXES,
    ClusterDetections: "it groups boxes as OpenCV's groupRectangles does, which no operator says",
}
"""Types that are not written, and why."""


def to_onnx(*params: type[LayerParams]) -> Callable[[F], F]:
    """Register what writes one or more layer types."""

    def register(function: F) -> F:
        for cls in params:
            if cls in WRITERS:
                raise ValueError(f"{cls.__name__} is written twice")
            WRITERS[cls] = function
        return function

    return register


def writer_of(layer: Layer) -> ToOnnx:
    """What writes a layer.

    Raises:
        UnsupportedLayerError: nothing writes this type.
    """
    write = WRITERS.get(type(layer.params))
    if write is None:
        why = REFUSED.get(type(layer.params))
        raise UnsupportedLayerError(
            f"{layer.place}: this type is not written as ONNX{f': {why}' if why else ''}"
        )
    return write
