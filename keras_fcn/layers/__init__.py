"""Keras layers that Caffe has and Keras lacks. All are channels-last: (N, H, W, C)."""

import keras  # noqa: F401 - before any module here, see keras_fcn._registration

from keras_fcn.layers.accum import Accum
from keras_fcn.layers.accuracy import Accuracy
from keras_fcn.layers.argmax import ArgMax
from keras_fcn.layers.batch_norm import BatchNorm, ScaledBatchNorm
from keras_fcn.layers.bn import BN
from keras_fcn.layers.box_annotator_ohem import BoxAnnotatorOHEM
from keras_fcn.layers.clipped_lstm import ClippedLSTM
from keras_fcn.layers.cluster_detections import ClusterDetections
from keras_fcn.layers.common_size import CommonSize
from keras_fcn.layers.concat import Slice, Tile
from keras_fcn.layers.constant import Constant
from keras_fcn.layers.convolution import Convolution
from keras_fcn.layers.correlation import Correlation, Correlation1D
from keras_fcn.layers.crop import Crop
from keras_fcn.layers.ctc_decoder import CTCDecoder
from keras_fcn.layers.deconvolution import Deconvolution
from keras_fcn.layers.dense_pooling import DensePooling2D
from keras_fcn.layers.detection_evaluate import DetectionEvaluate
from keras_fcn.layers.detection_output import DetectionOutput
from keras_fcn.layers.dummy_data import DummyData
from keras_fcn.layers.elementwise import AbsVal, Clip, Exp, Log, Power, ReLU, Swish, Threshold
from keras_fcn.layers.eltwise import Eltwise
from keras_fcn.layers.eval_detection import EvalDetection
from keras_fcn.layers.flow_warp import FlowWarp
from keras_fcn.layers.grn import GRN
from keras_fcn.layers.grouped_conv2d import LARGE_KERNEL, GroupedConv2D
from keras_fcn.layers.im2col import Im2col
from keras_fcn.layers.inner_product import InnerProduct
from keras_fcn.layers.interp import Interp
from keras_fcn.layers.l1_loss import FlowL1Loss, L1Loss
from keras_fcn.layers.local_response_normalization import LocalResponseNormalization
from keras_fcn.layers.losses import (
    ContrastiveLoss,
    EuclideanLoss,
    HingeLoss,
    SigmoidCrossEntropyLoss,
)
from keras_fcn.layers.lstm_unit import LSTMUnit
from keras_fcn.layers.mobile import Axpy, PixelShuffle, ShuffleChannel
from keras_fcn.layers.multibox_loss import MultiBoxLoss
from keras_fcn.layers.mvn import MVN
from keras_fcn.layers.normalize import Normalize
from keras_fcn.layers.overwritten import Overwritten
from keras_fcn.layers.parameter import Parameter
from keras_fcn.layers.permute import CaffePermute
from keras_fcn.layers.pixelwise_softmax import PixelwiseSoftmax
from keras_fcn.layers.pooling import (
    CaffeAveragePooling2D,
    CaffeMaxPooling2D,
    DilatedMaxPooling2D,
    ExclusiveAveragePooling2D,
)
from keras_fcn.layers.pooling3d import Pooling3D
from keras_fcn.layers.prelu import PReLU
from keras_fcn.layers.prior_box import PriorBox
from keras_fcn.layers.proposal import Proposal
from keras_fcn.layers.psroi_pooling import PSROIPooling
from keras_fcn.layers.rectifiers import SELU, Insanity
from keras_fcn.layers.recurrent import LSTM, RNN
from keras_fcn.layers.reduction import Reduction
from keras_fcn.layers.region_loss import RegionLoss
from keras_fcn.layers.resample import Resample
from keras_fcn.layers.reshape import CaffeReshape
from keras_fcn.layers.resize import Resize
from keras_fcn.layers.reverse import Reverse
from keras_fcn.layers.roi_align import ROIAlign, ROIAlignGrid
from keras_fcn.layers.roi_pooling import ROIPooling
from keras_fcn.layers.sampled_dropout import SampledDropout
from keras_fcn.layers.scale import Bias, Scale
from keras_fcn.layers.selection import BatchReindex, Embed, Filter
from keras_fcn.layers.smooth_l1_loss import SmoothL1Loss, SmoothL1LossOHEM
from keras_fcn.layers.softmax_loss import InfogainLoss, MultinomialLogisticLoss, SoftmaxWithLoss
from keras_fcn.layers.spatial_dropout import SpatialDropout
from keras_fcn.layers.spp import SPP
from keras_fcn.layers.stochastic_pooling import CaffeStochasticPooling2D
from keras_fcn.layers.text_proposal import TextProposal
from keras_fcn.layers.upsample import Upsample
from keras_fcn.layers.upsample_like import UpsampleLike
from keras_fcn.layers.yolo import Region, Reorg
from keras_fcn.layers.yolo_detection_output import YoloDetectionOutput

__all__ = [
    "BN",
    "GRN",
    "LARGE_KERNEL",
    "LSTM",
    "MVN",
    "RNN",
    "SELU",
    "SPP",
    "AbsVal",
    "Accum",
    "Accuracy",
    "ArgMax",
    "Axpy",
    "BatchNorm",
    "BatchReindex",
    "Bias",
    "BoxAnnotatorOHEM",
    "CTCDecoder",
    "CaffeAveragePooling2D",
    "CaffeMaxPooling2D",
    "CaffePermute",
    "CaffeReshape",
    "CaffeStochasticPooling2D",
    "Clip",
    "ClippedLSTM",
    "ClusterDetections",
    "CommonSize",
    "Constant",
    "ContrastiveLoss",
    "Convolution",
    "Correlation",
    "Correlation1D",
    "Crop",
    "Deconvolution",
    "DensePooling2D",
    "DetectionEvaluate",
    "DetectionOutput",
    "DilatedMaxPooling2D",
    "DummyData",
    "Eltwise",
    "Embed",
    "EuclideanLoss",
    "EvalDetection",
    "ExclusiveAveragePooling2D",
    "Exp",
    "Filter",
    "FlowL1Loss",
    "FlowWarp",
    "GroupedConv2D",
    "HingeLoss",
    "Im2col",
    "InfogainLoss",
    "InnerProduct",
    "Insanity",
    "Interp",
    "L1Loss",
    "LSTMUnit",
    "LocalResponseNormalization",
    "Log",
    "MultiBoxLoss",
    "MultinomialLogisticLoss",
    "Normalize",
    "Overwritten",
    "PReLU",
    "PSROIPooling",
    "Parameter",
    "PixelShuffle",
    "PixelwiseSoftmax",
    "Pooling3D",
    "Power",
    "PriorBox",
    "Proposal",
    "ROIAlign",
    "ROIAlignGrid",
    "ROIPooling",
    "ReLU",
    "Reduction",
    "Region",
    "RegionLoss",
    "Reorg",
    "Resample",
    "Resize",
    "Reverse",
    "SampledDropout",
    "Scale",
    "ScaledBatchNorm",
    "ShuffleChannel",
    "SigmoidCrossEntropyLoss",
    "Slice",
    "SmoothL1Loss",
    "SmoothL1LossOHEM",
    "SoftmaxWithLoss",
    "SpatialDropout",
    "Swish",
    "TextProposal",
    "Threshold",
    "Tile",
    "Upsample",
    "UpsampleLike",
    "YoloDetectionOutput",
]
