"""Kinds of layers as they stand in a prototxt, and the forks of Caffe that have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from keras_fcn.caffe.layers import (
    activation,
    bn,
    clipped_lstm,
    correlation,
    ctc,
    data,
    detectnet,
    elementwise,
    eval_detection,
    flow,
    interp,
    l1_loss,
    loss,
    mobile,
    multibox,
    normalization,
    pooling,
    prior_box,
    proposal,
    rcnn,
    region_loss,
    reverse,
    shape,
    smooth_l1,
    softmax_loss,
    spatial_dropout,
    ssd,
    text_proposal,
    upsample,
    volumetric,
    yolo,
    yolo_output,
)
from keras_fcn.caffe.layers.base import DIALECTS, LAYER_TYPES, LayerParams

# Where a kind's layer is defined -> the kinds.
_KINDS: dict[str, tuple[type[LayerParams], ...]] = {
    "BVLC/caffe after 1.0": (elementwise.Clip, elementwise.Swish),
    "Cambricon/caffe": (rcnn.ROIAlign,),
    "ChWick/caffe": (ctc.CTCGreedyDecoderByStep,),
    "BirdeeChen/caffe_yolo_v2": (yolo.FlatRegion,),
    "DeepLab's Caffe": (data.ImageSegData, interp.Interp),
    "NVIDIA/caffe": (detectnet.ClusterDetections, l1_loss.L1Loss),
    "SegNet's Caffe": (bn.SegNetBN, data.DenseImageData, upsample.SegNetUpsample),
    "TimoSaemann/ENet": (spatial_dropout.SpatialDropout,),
    "choasup/caffe-yolo9000": (eval_detection.AnchorEvalDetection,),
    "daijifeng001/caffe-rfcn": (
        rcnn.PSROIPooling,
        smooth_l1.BoxAnnotatorOHEM,
        smooth_l1.SmoothL1LossOHEM,
        softmax_loss.SoftmaxWithLossOHEM,
    ),
    "eric612/MobileNet-YOLO": (
        region_loss.RegionLoss,
        upsample.NearestUpsample,
        yolo_output.YoloDetectionOutput,
        yolo_output.Yolov3DetectionOutput,
    ),
    "facebookarchive/C3D": (
        data.VideoData,
        data.VoxelData,
        volumetric.Convolution3D,
        volumetric.Deconvolution3D,
        volumetric.Pooling3D,
    ),
    "farmingyard/ShuffleNet": (mobile.ShuffleChannel,),
    "gklz1982/caffe-yolov2": (yolo.Reorg,),
    "happynear/caffe-windows": (
        activation.Insanity,
        flow.Resize,
        reverse.Flip,
        ssd.UnitNormalize,
    ),
    "hojel/caffe": (eval_detection.EvalDetection,),
    "hszhao/PSPNet": (bn.PSPNetBN,),
    "hujie-frank/SENet": (mobile.Axpy,),
    "hzli-ucas/caffe": (ctc.CTCDecoder,),
    "junhyukoh/caffe-lstm": (clipped_lstm.StepsTimesStreams,),
    "lmb-freiburg/flownet2": (
        correlation.Correlation,
        correlation.Correlation1D,
        flow.Accum,
        flow.FlowWarp,
        flow.Resample,
        l1_loss.FlowL1Loss,
    ),
    "openvinotoolkit/training_toolbox_caffe": (
        ctc.CTCGreedyDecoder,
        mobile.ReLU6,
        normalization.GRN,
        prior_box.PriorBoxClustered,
        ssd.DetectionOutputExtended,
        yolo.Region,
    ),
    "rbgirshick/caffe-fast-rcnn": (rcnn.ROIPooling, smooth_l1.SmoothL1Loss),
    "rbgirshick/py-faster-rcnn": (proposal.ProposalLayer,),
    "sanghoon/caffe": (proposal.Proposal,),
    "foss-for-synopsys-dwc-arc-processors/synopsys-caffe": (elementwise.SELU, shape.PixelShuffle),
    "tianzhi0549/CTPN": (
        clipped_lstm.StepsAndStreams,
        reverse.Reverse,
        reverse.Transpose,
        text_proposal.TextProposalLayer,
    ),
    "weiliu89/caffe (ssd)": (
        multibox.DetectionEvaluate,
        multibox.MultiBoxLoss,
        prior_box.PriorBox,
        ssd.AnnotatedData,
        ssd.DetectionOutput,
        ssd.Normalize,
        ssd.Permute,
    ),
    "yonghenglh6/DepthwiseConvolution": (mobile.DepthwiseConvolution,),
    "zhaoweicai/cascade-rcnn": (rcnn.ROIAlignGrid,),
}
ORIGINS = {kind: place for place, kinds in _KINDS.items() for kind in kinds}
"""Kinds that BVLC Caffe 1.0 lacks -> where they are defined."""


class NotBuilt(NamedTuple):
    """What is known of a type that keras-fcn does not build.

    Attributes:
        origin: where it is defined.
        meaning: what it does.
        advice: what to do with a network that has it.
    """

    origin: str
    meaning: str
    advice: str


_LEFT_OUT = "at the end of a network it is left out, with a note"
_DEPLOY = "take the deploy prototxt, which has none"
_BEFORE = "build what comes before it, with `outputs=`"
_REGISTER = "register a function that builds it"
_CRF = "build the scores before it, with `outputs=`, and refine them with a program for CRFs"
NOT_BUILT: Mapping[str, NotBuilt] = {
    "AnchorTargetLayer": NotBuilt(
        "rbgirshick/py-faster-rcnn", "targets of anchors, for training", _DEPLOY
    ),
    "CenterLoss": NotBuilt(
        "ydwen/caffe-face", "a loss: features lie by the centre of their class", _LEFT_OUT
    ),
    "ChannelNorm": NotBuilt(
        "lmb-freiburg/flownet2", "the length of each position's vector of channels", _REGISTER
    ),
    "DeformableConvolution": NotBuilt(
        "unsky/Deformable-ConvNets-caffe", "a convolution whose cells are moved", _REGISTER
    ),
    "DenseCRF": NotBuilt("DeepLab's Caffe", "a conditional random field over the scores", _CRF),
    "DetectionLoss": NotBuilt("hojel/caffe", "the loss of YOLO v1", _LEFT_OUT),
    "DetectNetTransformation": NotBuilt(
        "NVIDIA/caffe", "augments images and boxes, for training", _DEPLOY
    ),
    "DownSampling": NotBuilt("facebookarchive/C3D", "smaller clips, for training", _REGISTER),
    "LabelSpecificAdd": NotBuilt(
        "happynear/AMSoftmax", "a margin on the true class, for training", _BEFORE
    ),
    "MarginInnerProduct": NotBuilt(
        "wy1iu/sphereface", "an inner product with a margin of angles, for training", _BEFORE
    ),
    "MultiStageMeanfield": NotBuilt(
        "torrvision/crfasrnn", "a conditional random field over the scores", _CRF
    ),
    "ProposalTargetLayer": NotBuilt(
        "rbgirshick/py-faster-rcnn", "targets of proposals, for training", _DEPLOY
    ),
    "ROIWarping": NotBuilt(
        "daijifeng001/caffe-mnc", "regions resized, with a gradient to their boxes", _REGISTER
    ),
    "SegAccuracy": NotBuilt("DeepLab's Caffe", "accuracy and IoU of pixels", _LEFT_OUT),
    "SpatialTransformer": NotBuilt(
        "daerduoCarey/SpatialTransformerLayer", "a map sampled along an affine grid", _REGISTER
    ),
    "VoxelCustomLoss": NotBuilt("facebookarchive/C3D", "a loss of clips", _LEFT_OUT),
}
"""Types of forks that are met and not built; of Python layers the class."""

# Settings of its own kinds that BVLC Caffe 1.0 lacks: whether one is used, and where it is.
_SETTINGS: tuple[tuple[type[LayerParams], Callable[[Any], bool], str], ...] = (
    (activation.Dropout, lambda p: p.sample_weights_test, "SegNet's Caffe"),
    (normalization.ScaledBatchNorm, lambda p: True, "NVIDIA/caffe and intel/caffe"),
    (pooling.Pooling, lambda p: p.dilation != (1, 1), "forks that pool with holes"),
    (pooling.Pooling, lambda p: p.pool.startswith("AVE_"), "Synopsys' and Intel's Caffe"),
    (pooling.Pooling, lambda p: p.round_mode != "CEIL", "BVLC/caffe after 1.0"),
    (softmax_loss.SoftmaxWithLoss, lambda p: bool(p.class_weighting), "SegNet's Caffe"),
    (loss.NormalizedLoss, lambda p: p.normalization == "PRE_FIXED", "daijifeng001/caffe-rfcn"),
)

# Kinds that stand in a prototxt under another's type.
_TYPES: dict[type[LayerParams], str] = {shape.PixelShuffle: "Reshape"}


def origin(params: LayerParams) -> str | None:
    """The fork that defines a layer which BVLC Caffe 1.0 lacks; None where it has it."""
    for cls in type(params).__mro__:
        if cls in ORIGINS:
            return ORIGINS[cls]
        if cls in _names():
            break
    used = (place for kind, test, place in _SETTINGS if isinstance(params, kind) and test(params))
    return next(used, None)


def type_of(params: LayerParams) -> str:
    """The type that a layer of a kind has in a prototxt.

    Raises:
        ValueError: the kind is not registered.
    """
    names = _names()
    for cls in type(params).__mro__:
        if cls in names:
            return "Python" if cls.python else names[cls][0]
    raise ValueError(f"{type(params).__name__} is no registered type of layer")


def _names() -> dict[type[Any], tuple[str, str | None]]:
    """Kind -> its first type, and the fork where several define it."""
    found: dict[type[Any], tuple[str, str | None]] = {}
    for name, kind in LAYER_TYPES.items():
        found.setdefault(kind, (_TYPES.get(kind, name), None))
    for name, known in DIALECTS.items():
        for dialect, kind in known.items():
            found.setdefault(kind, (name, dialect))
    return found


def dialect_of(params: LayerParams) -> str | None:
    """The fork whose definition of the type a kind is; None where there is one definition."""
    names = _names()
    return next((names[cls][1] for cls in type(params).__mro__ if cls in names), None)
