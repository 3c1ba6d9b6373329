"""Caffe layer parameters -> the one function that writes their ncnn layers."""

from __future__ import annotations

from keras_fcn.caffe.layers import LayerParams
from keras_fcn.caffe.layers.accuracy import Accuracy
from keras_fcn.caffe.layers.clipped_lstm import StepsAndStreams, StepsTimesStreams
from keras_fcn.caffe.layers.correlation import Correlation, Correlation1D
from keras_fcn.caffe.layers.ctc import CTCDecoder, CTCGreedyDecoder, CTCGreedyDecoderByStep
from keras_fcn.caffe.layers.detectnet import ClusterDetections
from keras_fcn.caffe.layers.flow import Accum, FlowWarp, Resample, Resize
from keras_fcn.caffe.layers.l1_loss import FlowL1Loss, L1Loss
from keras_fcn.caffe.layers.loss import (
    ContrastiveLoss,
    EuclideanLoss,
    HingeLoss,
    MultinomialLogisticLoss,
    SigmoidCrossEntropyLoss,
)
from keras_fcn.caffe.layers.proposal import Proposal, ProposalLayer
from keras_fcn.caffe.layers.rcnn import PSROIPooling, ROIAlign, ROIAlignGrid, ROIPooling
from keras_fcn.caffe.layers.recurrent import LSTM, RNN, LSTMUnit
from keras_fcn.caffe.layers.selection import BatchReindex, Embed, Filter
from keras_fcn.caffe.layers.smooth_l1 import BoxAnnotatorOHEM, SmoothL1Loss, SmoothL1LossOHEM
from keras_fcn.caffe.layers.softmax_loss import (
    InfogainLoss,
    SoftmaxWithLoss,
    SoftmaxWithLossOHEM,
)
from keras_fcn.caffe.layers.ssd import DetectionOutputExtended
from keras_fcn.caffe.layers.text_proposal import TextProposalLayer
from keras_fcn.caffe.layers.upsample import SegNetUpsample
from keras_fcn.caffe.layers.yolo_output import YoloDetectionOutput, Yolov3DetectionOutput
from keras_fcn.caffe.nodes.registry import NOT_FOR_INFERENCE, Registry

_OF_LABELS = "it compares with labels, of all images together, and ncnn runs one at a time"
_REGIONS = "ncnn pools one region, not a list of them"
_LISTS = "ncnn's own finds regions of one set of anchors, and nothing in ncnn reads such a list"
_SEQUENCES = "ncnn's recurrent layers know no sequences side by side that end where a blob says"
_NO_OPERATOR = "ncnn has no such operator"


def _all(why: str, *kinds: type[LayerParams]) -> dict[type[LayerParams], str]:
    return dict.fromkeys(kinds, why)


to_ncnn = Registry(
    "ncnn",
    {
        **NOT_FOR_INFERENCE,
        **_all(
            _OF_LABELS,
            Accuracy,
            BoxAnnotatorOHEM,
            ContrastiveLoss,
            EuclideanLoss,
            FlowL1Loss,
            HingeLoss,
            InfogainLoss,
            L1Loss,
            MultinomialLogisticLoss,
            SigmoidCrossEntropyLoss,
            SmoothL1Loss,
            SmoothL1LossOHEM,
            SoftmaxWithLoss,
            SoftmaxWithLossOHEM,
        ),
        **_all(_REGIONS, ROIPooling, ROIAlign, ROIAlignGrid, PSROIPooling),
        **_all(_LISTS, Proposal, ProposalLayer, TextProposalLayer),
        **_all(_SEQUENCES, LSTM, RNN, LSTMUnit, StepsAndStreams, StepsTimesStreams),
        **_all(
            "it picks images of a batch, and ncnn runs one at a time",
            BatchReindex,
            Filter,
        ),
        **_all(
            "ncnn's own suppresses boxes by another rule; detection='none' leaves it out",
            YoloDetectionOutput,
            Yolov3DetectionOutput,
        ),
        DetectionOutputExtended: "ncnn's detections do not tell their anchors",
        SegNetUpsample: "ncnn puts no elements where a mask says",
        Embed: "ncnn's takes whole numbers, which none of its layers makes of floats",
        **_all(
            _NO_OPERATOR,
            Accum,
            ClusterDetections,
            Correlation,
            Correlation1D,
            CTCDecoder,
            CTCGreedyDecoder,
            CTCGreedyDecoderByStep,
            FlowWarp,
            Resample,
            Resize,
        ),
    },
)
WRITERS, REFUSED = to_ncnn.writers, to_ncnn.refused
