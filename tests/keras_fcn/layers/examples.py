"""How to make each public layer, and what to feed it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.keras_fcn.layers.checks import normal

ANCHORS = [[-8.0, -8.0, 23.0, 23.0], [-16.0, -4.0, 31.0, 19.0]]
PAIR = [[1.0, 1.5], [3.0, 2.0]]


@dataclass(frozen=True)
class Example:
    """A layer of a class, by its arguments and inputs.

    Attributes:
        inputs: channels-last arrays, as a call gets them.
        arguments: of the class.
        free: what may be unknown when a model is built: "batch", the first axis; "sizes", all
            between the first axis and the last, too.
        repeatable: whether each call gives the same.
        half: how far the results may be from those in float32 in half precision, of the
            largest; None: they are others, such as whether a value is above a limit.
    """

    inputs: tuple[np.ndarray, ...]
    arguments: dict[str, Any] = field(default_factory=dict)
    free: tuple[str, ...] = ("batch", "sizes")
    repeatable: bool = True
    half: float | None = 2e-2


def one(*inputs: np.ndarray, **arguments: Any) -> Example:
    return Example(inputs, arguments)


def batch(*inputs: np.ndarray, **arguments: Any) -> Example:
    """One whose sizes must be known."""
    return Example(inputs, arguments, ("batch",))


def fixed(*inputs: np.ndarray, **arguments: Any) -> Example:
    """One whose whole shape must be known."""
    return Example(inputs, arguments, ())


def positive(*shape: int) -> np.ndarray:
    return np.abs(normal(*shape)) + 0.1


def shares(*shape: int) -> np.ndarray:
    """Numbers between 0 and 1 that are 1 together along the last axis."""
    numbers = positive(*shape)
    return numbers / numbers.sum(-1, keepdims=True)


def whole(below: int, *shape: int) -> np.ndarray:
    """Whole numbers from 0 on, as floats."""
    return np.random.default_rng(1).integers(0, below, shape).astype("float32")


def rows(*numbers: Any) -> np.ndarray:
    return np.array(numbers, "float32")


MAP = normal(2, 6, 8, 4)
SCORES, LABELS = normal(2, 3, 4, 5), whole(5, 2, 3, 4, 1)
VECTORS = normal(3, 4)
REGIONS = rows([0, 0, 0, 5, 4], [1, 2, 1, 7, 5], [1, 1, 1, 3, 3])
PRIORS = np.stack([rows(0.1, 0.1, 0.4, 0.5, 0.5, 0.4, 0.9, 0.8), np.full(8, 0.1, "float32")], -1)[
    np.newaxis
]
TRUE_BOXES = rows([0, 1, 0, 0.1, 0.1, 0.4, 0.5, 0], [1, 2, 0, 0.5, 0.5, 0.9, 0.9, 0])
FOUND = rows([0, 1, 0.9, 0.1, 0.1, 0.4, 0.5], [1, 2, 0.8, 0.1, 0.5, 0.3, 0.9])
STEPS = normal(3, 4, 2)  # three steps of four numbers in two streams
GOES_ON = rows([0, 0], [1, 1], [1, 0])
IMAGE = rows([96, 128, 1])
# Maps whose maxima lie apart, and where they were.
MAXIMA, PLACES = positive(1, 2, 2, 1), rows(0, 3, 9, 14).reshape(1, 2, 2, 1)

EXAMPLES: dict[str, Example] = {
    "AbsVal": one(MAP),
    "Accum": one(MAP, normal(2, 3, 4, 2)),
    "Accuracy": one(SCORES, LABELS, top_k=2, per_class=True),
    "ArgMax": one(MAP, axis=1),
    "Axpy": one(normal(2, 1, 1, 4), MAP, normal(2, 6, 8, 4, seed=1)),
    "BN": one(MAP),
    "BatchNorm": one(MAP),
    "BatchReindex": one(MAP, rows(1, 0, 1)),
    "Bias": one(MAP, shape=(4,)),
    "BoxAnnotatorOHEM": one(
        REGIONS, positive(3, 1), rows([1], [2], [1]), np.ones((3, 4), "float32"), roi_per_img=1
    ),
    "CTCDecoder": one(normal(1, 5, 4, 2), axes=(3, 1)),
    "CaffeAveragePooling2D": one(MAP, pool_size=3, strides=2, padding=1),
    "CaffeMaxPooling2D": one(MAP, pool_size=3, strides=2, return_mask=True),
    "CaffePermute": one(MAP, order=(0, 2, 3, 1)),
    "CaffeReshape": one(MAP, shape=(0, 2, -1)),
    "CaffeStochasticPooling2D": one(positive(2, 6, 8, 4), pool_size=2, strides=2, seed=3),
    "Clip": one(MAP, min=-0.5, max=0.75),
    "ClippedLSTM": batch(STEPS, GOES_ON, units=3, clipping_threshold=0.5),
    "ClusterDetections": batch(
        shares(1, 4, 6, 2),
        np.tile(rows(-8, -8, 40, 40), (1, 4, 6, 1)),
        grid=(4, 6),
        cell=(16, 16),
        coverage_threshold=0.3,
        group_threshold=1,
        eps=0.2,
        min_height=4,
    ),
    "CommonSize": one(MAP, normal(2, 5, 9, 3)),
    "Constant": one(MAP, value=[[1.0, 2.0]]),
    "ContrastiveLoss": one(VECTORS, normal(3, 4, seed=1), rows(0, 1, 1)),
    "Convolution": one(MAP, filters=6, kernel_size=3, strides=2, padding=1, groups=2),
    "Correlation": one(MAP, normal(2, 6, 8, 4, seed=1), kernel_size=1, max_displacement=2),
    "Correlation1D": one(
        MAP, normal(2, 6, 8, 4, seed=1), kernel_size=1, max_displacement=2, single_direction=-1
    ),
    "Crop": one(MAP, normal(2, 3, 4, 1), axis=2, offset=(1, 2)),
    "Deconvolution": one(MAP, filters=4, kernel_size=4, strides=2, padding=1, groups=4),
    "DensePooling2D": one(MAP, pool="max", pool_size=2, dilation_rate=2),
    "DetectionEvaluate": one(
        FOUND.reshape(1, 2, 7, 1), TRUE_BOXES.reshape(1, 2, 8, 1), num_classes=3
    ),
    "DetectionOutput": batch(normal(2, 8), shares(2, 6), PRIORS, num_classes=3, keep_top_k=4),
    "DilatedMaxPooling2D": one(MAP, pool_size=2, dilation=2),
    "DummyData": one(MAP, shapes=[(None, 3, 2)], fillers=[{"type": "constant", "value": 0.5}]),
    "Eltwise": one(MAP, normal(2, 6, 8, 4, seed=1), operation="sum", coeff=(0.5, -2.0)),
    "Embed": one(whole(7, 2, 3, 1), input_dim=7, output_dim=3),
    "EuclideanLoss": one(MAP, normal(2, 6, 8, 4, seed=1)),
    "EvalDetection": batch(
        shares(2, 2 * 2 * (3 + 5 * 1)), whole(2, 2, 2 * 2 * 7), side=2, num_class=3, num_object=1
    ),
    "ExclusiveAveragePooling2D": one(MAP, pool_size=3, strides=2, padding=1),
    "Exp": one(MAP, base=2.0, scale=0.5, shift=0.25),
    "Filter": one(MAP, VECTORS[:2], rows(0, 1)),
    "FlowL1Loss": one(MAP, normal(2, 6, 8, 4, seed=1), l2_per_location=True),
    "FlowWarp": one(MAP, normal(2, 6, 8, 2, seed=1)),
    "GRN": one(MAP),
    "GroupedConv2D": one(MAP, filters=6, kernel_size=3, groups=2),
    "HingeLoss": one(VECTORS, whole(4, 3), norm="l2"),
    "Im2col": one(MAP, kernel_size=3, strides=2, padding=1),
    "InfogainLoss": one(SCORES, LABELS, infogain=np.eye(5).tolist(), with_probabilities=True),
    "InnerProduct": batch(MAP, units=3, input_dim=192),
    "Insanity": one(MAP, seed=3),
    "Interp": one(MAP, zoom_factor=2),
    "L1Loss": one(MAP, normal(2, 6, 8, 4, seed=1)),
    "LSTM": batch(STEPS, GOES_ON, units=3),
    "LSTMUnit": batch(normal(1, 3, 2), normal(1, 12, 2), rows([1, 0])),
    "LocalResponseNormalization": one(MAP, local_size=3, alpha=0.5),
    "Log": one(positive(2, 6, 8, 4), base=2.0, shift=0.5),
    "MVN": one(MAP),
    "MultiBoxLoss": batch(
        normal(2, 8), normal(2, 6), PRIORS, TRUE_BOXES.reshape(1, 2, 8, 1), num_classes=3
    ),
    "MultinomialLogisticLoss": one(shares(3, 4), whole(4, 3)),
    "Normalize": one(MAP, across_spatial=False, channel_shared=False),
    "Overwritten": batch(MAP, normal(2, 12, 16)),
    "PReLU": one(MAP),
    "PSROIPooling": one(normal(2, 6, 8, 8), REGIONS, output_dim=2, group_size=2),
    "Parameter": one(MAP, shape=(3, 2)),
    "PixelShuffle": one(MAP, ratio=2),
    "PixelwiseSoftmax": one(MAP, flatten=True),
    "Pooling3D": one(normal(2, 4, 6, 5, 3), pool_size=2, strides=2),
    "Power": one(positive(2, 6, 8, 4), power=1.5, scale=2.0, shift=0.5),
    "PriorBox": one(MAP, normal(2, 48, 64, 3), boxes=PAIR, clip=True),
    "Proposal": Example(
        (shares(1, 6, 8, 4), 0.1 * normal(1, 6, 8, 8), IMAGE),
        {"anchors": ANCHORS, "post_nms_topn": 5},
    ),
    "RNN": batch(STEPS, GOES_ON, units=3),
    "ROIAlign": one(MAP, REGIONS, pool_size=2, sampling_ratio=2),
    "ROIAlignGrid": one(MAP, REGIONS, pool_size=(2, 3)),
    "ROIPooling": one(MAP, REGIONS, pool_size=2),
    "ReLU": one(MAP, negative_slope=-0.5),
    "Reduction": one(MAP, operation="asum", axis=2, coeff=0.5),
    "Region": one(normal(2, 3, 3, 2 * 7), classes=2, num=2),
    "RegionLoss": one(
        normal(2, 3, 3, 2 * 7),
        np.tile(rows(1, 0.4, 0.6, 0.3, 0.2), (2, 1, 1)),
        anchors=PAIR,
        num_class=2,
    ),
    "Reorg": one(normal(2, 4, 6, 4), stride=2),
    "Resample": one(MAP, size=(9, 5)),
    "Resize": one(MAP, scale=(1.5, 2.0)),
    "Reverse": one(MAP, axes=(1, 3)),
    "SELU": one(MAP),
    "SPP": one(MAP, pyramid_height=2),
    "SampledDropout": Example((MAP,), {"rate": 0.5, "seed": 3}, repeatable=False),
    "Scale": one(MAP, shape=(4,), use_bias=True),
    "ScaledBatchNorm": one(MAP),
    "ShuffleChannel": one(MAP, groups=2),
    "SigmoidCrossEntropyLoss": one(MAP, whole(2, 2, 6, 8, 4)),
    "Slice": one(MAP, parts=(1, 3), axis=1),
    "SmoothL1Loss": one(MAP, normal(2, 6, 8, 4, seed=1), sigma=2.0),
    "SmoothL1LossOHEM": one(MAP, normal(2, 6, 8, 4, seed=1), by_region=True),
    "SoftmaxWithLoss": one(SCORES, LABELS, ignore_label=0, normalization="valid", outputs=3),
    "SpatialDropout": one(MAP, rate=0.5, scale_when_tested=True),
    "Swish": one(MAP, beta=1.5),
    "TextProposal": one(shares(1, 6, 8, 4), 0.1 * normal(1, 6, 8, 4), IMAGE, anchors=ANCHORS),
    "Threshold": Example((MAP,), {"threshold": 0.25}, half=None),
    "Tile": one(MAP, tiles=3, axis=1),
    "Upsample": one(MAXIMA, PLACES),
    "UpsampleLike": one(MAXIMA, PLACES, normal(1, 4, 4, 1)),
    "YoloDetectionOutput": one(
        normal(1, 3, 3, 2 * 7),
        normal(1, 6, 6, 7),
        anchors=(PAIR, PAIR[:1]),
        num_classes=2,
        confidence_threshold=0.3,
    ),
}

#: Further arguments of classes, whose configs come back too.
ALSO: list[tuple[str, dict[str, Any]]] = [
    ("Accuracy", {"top_k": 3, "axis": 2, "ignore_label": 255, "per_class": True}),
    ("BN", {"mode": "inference", "shift_initializer": "ones"}),
    ("BN", {"statistics": 2}),
    ("Bias", {"shape": (3, 4), "axis": 2, "bias_initializer": "ones"}),
    ("BoxAnnotatorOHEM", {"roi_per_img": 3, "ignore_label": -2}),
    ("CaffeReshape", {"shape": (0, -1), "axis": 1, "num_axes": 2}),
    ("CaffeStochasticPooling2D", {"pool_size": 3, "strides": 2, "round_mode": "floor", "seed": 3}),
    ("ContrastiveLoss", {"margin": 2.0, "legacy_version": True}),
    ("Convolution", {"filters": 8, "kernel_size": (3, 1), "padding": (1, 0), "axis": 2}),
    ("Convolution", {"filters": 8, "kernel_size": 3, "dilation_rate": 2, "may_be_empty": True}),
    ("Crop", {"axis": 1, "offset": (2, 0, 1)}),
    ("Deconvolution", {"filters": 8, "kernel_size": (3, 1), "dilation_rate": 2, "axis": 2}),
    ("DetectionEvaluate", {"num_classes": 3, "sizes": [[1, 2]]}),
    ("Embed", {"input_dim": 4, "output_dim": 3, "use_bias": False}),
    ("EvalDetection", {"anchors": [[1, 2]]}),
    ("FlowL1Loss", {"plateau": 0.5}),
    ("GroupedConv2D", {"filters": 8, "kernel_size": 3, "dilation_rate": 2, "may_be_empty": True}),
    ("Im2col", {"kernel_size": (3, 1), "padding": (1, 0), "dilation_rate": 2, "axis": 2}),
    ("InfogainLoss", {"infogain": [[1.0, 0.5], [0.0, 1.0]], "axis": 2, "ignore_label": 1}),
    ("MultiBoxLoss", {"num_classes": 3, "mining_type": "NONE", "normalization": "full"}),
    ("RegionLoss", {"anchors": [[1, 2]], "rescore": False}),
    ("SPP", {"pyramid_height": 2, "pool": "ave"}),
    ("SigmoidCrossEntropyLoss", {"normalization": "full", "ignore_label": -1}),
    ("Slice", {"parts": 2}),
    ("SmoothL1LossOHEM", {"by_region": True, "normalization": "pre_fixed"}),
    ("SoftmaxWithLoss", {"axis": 2, "ignore_label": 0, "normalization": "none"}),
    ("SoftmaxWithLoss", {"outputs": 3, "pre_fixed_normalizer": 2.0}),
    ("SpatialDropout", {"rate": 0.2, "scale_when_tested": True}),
    ("Tile", {"tiles": 3, "axis": -1}),
    ("Upsample", {"scale": 2, "pad_out": (True, False)}),
    ("Upsample", {"size": (5, 7)}),
    ("YoloDetectionOutput", {"anchors": [PAIR], "num_classes": 3, "each_class": True}),
]
