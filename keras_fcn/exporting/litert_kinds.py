"""Which layers LiteRT has operators of its own for."""

from __future__ import annotations

from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers.correlation import Correlation, Correlation1D
from keras_fcn.caffe.layers.ctc import CTCDecoder, CTCGreedyDecoder, CTCGreedyDecoderByStep
from keras_fcn.caffe.layers.detectnet import ClusterDetections
from keras_fcn.caffe.layers.eval_detection import AnchorEvalDetection, EvalDetection
from keras_fcn.caffe.layers.multibox import DetectionEvaluate, MultiBoxLoss
from keras_fcn.caffe.layers.rcnn import PSROIPooling, ROIAlign, ROIAlignGrid, ROIPooling
from keras_fcn.caffe.layers.region_loss import RegionLoss
from keras_fcn.caffe.layers.smooth_l1 import BoxAnnotatorOHEM
from keras_fcn.caffe.layers.softmax_loss import SoftmaxWithLoss, SoftmaxWithLossOHEM
from keras_fcn.caffe.layers.volumetric import Pooling3D

__all__ = ["REFUSED", "WITH_TENSORFLOW"]

WITH_TENSORFLOW: frozenset[type[LayerParams]] = frozenset(
    {
        AnchorEvalDetection,
        ClusterDetections,
        Correlation,
        Correlation1D,
        CTCDecoder,
        CTCGreedyDecoder,
        CTCGreedyDecoderByStep,
        DetectionEvaluate,
        EvalDetection,
        MultiBoxLoss,
        Pooling3D,
        PSROIPooling,
        RegionLoss,
        ROIAlign,
        ROIAlignGrid,
        ROIPooling,
        SoftmaxWithLoss,
        SoftmaxWithLossOHEM,
    }
)
"""Layers that need TensorFlow's operators in a LiteRT file, which then runs with Flex alone."""

REFUSED: frozenset[type[LayerParams]] = frozenset({BoxAnnotatorOHEM})
"""Layers that no LiteRT file can hold: the converter has no form of `searchsorted`."""
