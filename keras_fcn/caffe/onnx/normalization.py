"""Normalization layers."""

from __future__ import annotations

import numpy as np

from keras_fcn.caffe.layers.bn import PSPNetBN, SegNetBN
from keras_fcn.caffe.layers.normalization import GRN, LRN, MVN, BatchNorm, ScaledBatchNorm
from keras_fcn.caffe.layers.ssd import Normalize, UnitNormalize
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.onnx.graph import LayerGraph
from keras_fcn.caffe.onnx.registry import to_onnx

_SEGNET_EPS = 1e-9  # fixed in the layers' sources, as the next
_UNIT_EPS = 1e-6


@to_onnx(LRN)
def lrn(layer: Layer[LRN], graph: LayerGraph, x: str) -> str:
    """Across channels ONNX' own; within them x * (1 + alpha * mean of squares) ** -beta."""
    params = layer.params
    across = params.norm_region == "ACROSS_CHANNELS"
    size, side = params.local_size, params.local_size // 2
    if across and params.alpha > 0 and params.beta > 0:  # which runtimes want of LRN
        settings = {"alpha": params.alpha, "beta": params.beta, "bias": params.k}
        floats = {name: float(value) for name, value in settings.items()}
        return graph.add("LRN", x, size=size, **floats)
    squares = graph.add("Mul", x, x)
    window, sides = [size, size], [0, 0, side, side]
    if across:  # channels as the rows of one map
        sizes = graph.sizes(x, 0, 1), graph.ints([1]), graph.sizes(x, 1, 2), graph.ints([-1])
        squares = graph.add("Reshape", squares, graph.add("Concat", *sizes, axis=0))
        window, sides = [size, 1], [0, 0, side, 0]
    padded = graph.pad(squares, sides, sides)  # as OpenCV 4 does not know `count_include_pad`
    means = graph.add("AveragePool", padded, kernel_shape=window, strides=[1, 1])
    if across:
        means = graph.add("Reshape", means, graph.add("Shape", x))
    scale = graph.scaled(means, params.alpha, params.k if across else 1.0)
    return graph.add("Mul", x, graph.add("Pow", scale, graph.floats(-params.beta)))


@to_onnx(MVN)
def mvn(layer: Layer[MVN], graph: LayerGraph, x: str) -> str:
    """Subtract the mean, divide by (deviation + eps), of each channel or image."""
    params = layer.params
    missing = 4 - len(layer.bottoms[0].shape or ())
    x = graph.unsqueeze(x, *range(4 - missing, 4))
    axes = [1, 2, 3] if params.across_channels else [2, 3]
    centred = _centred(graph, x, axes)
    if not params.normalize_variance:
        return centred
    deviation = graph.add("Sqrt", _mean_square(graph, centred, axes))
    return graph.add("Div", centred, graph.scaled(deviation, shift=params.eps))


@to_onnx(GRN)
def grn(layer: Layer[GRN], graph: LayerGraph, x: str) -> str:
    """Divide by sqrt(sum of squares over channels + bias)."""
    return _unit(graph, x, [1], layer.params.bias)


@to_onnx(BatchNorm, ScaledBatchNorm)
def batch_norm(layer: Layer[BatchNorm], graph: LayerGraph, x: str) -> str:
    """By the stored statistics, else by those of the batch; then the fork's scale and bias."""
    params, rank = layer.params, len(layer.bottoms[0].shape or ())
    weights = {weight.name: weight.array() for weight in layer.keras_weights(graph.blobs)}
    channels = len(graph.blobs[0])
    gamma = weights.get("gamma", np.ones(channels, np.float32))
    beta = weights.get("beta", np.zeros(channels, np.float32))
    of_batch = graph.training if params.use_global_stats is None else not params.use_global_stats
    if not of_batch:
        constants = (gamma, beta, weights["moving_mean"], weights["moving_variance"])
        inputs = (graph.floats(value) for value in constants)
        return graph.add("BatchNormalization", x, *inputs, epsilon=float(params.eps))
    y, _, _ = _by_batch(graph, x, rank, params.eps)
    shape = (-1, *(1,) * (rank - 2))
    if "gamma" in weights:
        y = graph.add("Mul", y, graph.floats(gamma.reshape(shape)))
    return graph.add("Add", y, graph.floats(beta.reshape(shape))) if "beta" in weights else y


@to_onnx(SegNetBN)
def segnet_bn(layer: Layer[SegNetBN], graph: LayerGraph, x: str) -> tuple[str, ...]:
    """Scale and shift; with `LEARN` by the batch at hand first, and its mean and variance."""
    statistics: list[str] = []
    if layer.params.bn_mode == "LEARN":
        x, *statistics = _by_batch(graph, x, 4, _SEGNET_EPS)
    scale, shift = (graph.weight(index, (1, -1, 1, 1)) for index in range(2))
    y = graph.add("Add", graph.add("Mul", x, scale), shift)
    return (y, *statistics)[: len(layer.tops)]


@to_onnx(PSPNetBN)
def pspnet_bn(layer: Layer[PSPNetBN], graph: LayerGraph, x: str) -> str:
    """By the stored statistics; trained, unless it is frozen, by those of the batch."""
    params, rank = layer.params, len(layer.bottoms[0].shape or ())
    turned = [0, 2, 1, 3][:rank] if params.axis == 2 else []
    if turned:
        x = graph.add("Transpose", x, perm=turned)
    if graph.training and not params.frozen:
        y, _, _ = _by_batch(graph, x, rank, params.eps)
        slope, bias = (graph.weight(index, (-1, *(1,) * (rank - 2))) for index in range(2))
        y = graph.add("Add", graph.add("Mul", y, slope), bias)
    else:
        weights = (graph.weight(index, (-1,)) for index in range(4))
        y = graph.add("BatchNormalization", x, *weights, epsilon=float(params.eps))
    return graph.add("Transpose", y, perm=turned) if turned else y


@to_onnx(Normalize)
def normalize(layer: Layer[Normalize], graph: LayerGraph, x: str) -> str:
    """Unit vectors over channels, or whole images, times a learned scale."""
    params, rank = layer.params, len(layer.bottoms[0].shape or ())
    axes = list(range(1, rank)) if params.across_spatial else [1]
    shape = () if params.channel_shared else (-1, *(1,) * (rank - 2))
    return graph.add("Mul", _unit(graph, x, axes, params.eps), graph.weight(0, shape))


@to_onnx(UnitNormalize)
def unit_normalize(layer: Layer[UnitNormalize], graph: LayerGraph, x: str) -> str:
    """Unit vectors over channels."""
    if layer.params.normalize_type == "L2":
        return _unit(graph, x, [1], _UNIT_EPS)
    norm = graph.reduced("ReduceL1", x, [1])
    return graph.add("Div", x, graph.scaled(norm, shift=_UNIT_EPS))


def _unit(graph: LayerGraph, x: str, axes: list[int], eps: float) -> str:
    """Divided by sqrt(sum of squares + eps)."""
    squares = graph.reduced("ReduceSumSquare", x, axes)
    return graph.add("Div", x, graph.add("Sqrt", graph.scaled(squares, shift=eps)))


def _by_batch(graph: LayerGraph, x: str, rank: int, eps: float) -> tuple[str, str, str]:
    """Each channel less its mean, over its deviation; the mean, and the variance."""
    axes = [0, *range(2, rank)]
    mean = graph.reduced("ReduceMean", x, axes)
    centred = graph.add("Sub", x, mean)
    variance = _mean_square(graph, centred, axes)
    deviation = graph.add("Sqrt", graph.scaled(variance, shift=eps))
    return graph.add("Div", centred, deviation), mean, variance


def _centred(graph: LayerGraph, x: str, axes: list[int]) -> str:
    return graph.add("Sub", x, graph.reduced("ReduceMean", x, axes))


def _mean_square(graph: LayerGraph, x: str, axes: list[int]) -> str:
    return graph.reduced("ReduceMean", graph.add("Mul", x, x), axes)
