"""Normalization layers."""

from __future__ import annotations

import numpy as np

from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers.bn import PSPNetBN, SegNetBN
from keras_fcn.caffe.layers.normalization import GRN, LRN, MVN, BatchNorm, ScaledBatchNorm
from keras_fcn.caffe.layers.ssd import Normalize, UnitNormalize
from keras_fcn.caffe.ncnn.graph import DIV, LayerGraph
from keras_fcn.caffe.ncnn.registry import to_ncnn
from keras_fcn.caffe.net.layer import Layer
from keras_fcn.caffe.nodes.graph import Array

_BY_BATCH = "takes the mean of all images together, and ncnn runs one at a time"
_UNIT_EPS = 1e-6  # fixed in the layer's source
_L1 = 7
"""ncnn's number of a Reduction to the sum of magnitudes."""


@to_ncnn(LRN)
def lrn(layer: Layer[LRN], graph: LayerGraph, x: str) -> str:
    """The same function; within channels `k` is 1, as in Caffe."""
    params = layer.params
    across = params.norm_region == "ACROSS_CHANNELS"
    numbers = params.alpha, params.beta, params.k if across else 1.0
    settings: dict[int, int | float] = {0: 0 if across else 1, 1: params.local_size}
    return graph.add("LRN", x, settings=settings | dict(enumerate(map(float, numbers), 2)))


@to_ncnn(MVN)
def mvn(layer: Layer[MVN], graph: LayerGraph, x: str) -> str:
    """Subtract the mean, divide by (deviation + eps), of each channel or image."""
    params, shape = layer.params, layer.bottoms[0].shape or ()
    if len(shape) < 4:
        x = graph.reshape(x, (*shape[1:], 1, 1, 1)[:3])
    settings: dict[int, int | float] = {
        0: int(params.normalize_variance),
        1: int(params.across_channels),
        2: float(params.eps),
    }
    return graph.add("MVN", x, settings=settings)


@to_ncnn(BatchNorm, ScaledBatchNorm)
def batch_norm(layer: Layer[BatchNorm], graph: LayerGraph, x: str) -> str:
    """By the stored statistics, then the fork's scale and bias."""
    params = layer.params
    of_batch = graph.training if params.use_global_stats is None else not params.use_global_stats
    if of_batch:
        raise UnsupportedLayerError(_BY_BATCH)
    weights = {weight.name: weight.array() for weight in layer.keras_weights(graph.blobs)}
    channels = len(graph.blobs[0])
    gamma = weights.get("gamma", np.ones(channels, np.float32))
    beta = weights.get("beta", np.zeros(channels, np.float32))
    statistics = weights["moving_mean"], weights["moving_variance"]
    return _normalized(graph, x, gamma, beta, *statistics, params.eps)


@to_ncnn(SegNetBN)
def segnet_bn(layer: Layer[SegNetBN], graph: LayerGraph, x: str) -> str:
    """Scale and shift."""
    if layer.params.bn_mode == "LEARN":
        raise UnsupportedLayerError(f"bn_mode: LEARN {_BY_BATCH}")
    scale, shift = (blob.reshape(-1) for blob in graph.blobs)
    return graph.add("Scale", x, settings={0: scale.size, 1: 1}, weights=[scale, shift])


@to_ncnn(PSPNetBN)
def pspnet_bn(layer: Layer[PSPNetBN], graph: LayerGraph, x: str) -> str:
    """By the stored statistics."""
    params, rank = layer.params, len(layer.bottoms[0].shape or ())
    if graph.training and not params.frozen:
        raise UnsupportedLayerError(_BY_BATCH)
    turned = [1, 0, 2][: rank - 1] if params.axis == 2 else []
    if turned:
        x = graph.permuted(x, turned)
    slope, bias, mean, variance = (blob.reshape(-1) for blob in graph.blobs)
    y = _normalized(graph, x, slope, bias, mean, variance, params.eps)
    return graph.permuted(y, turned) if turned else y


def _normalized(
    graph: LayerGraph,
    x: str,
    slope: Array,
    bias: Array,
    mean: Array,
    variance: Array,
    eps: float,
) -> str:
    settings: dict[int, int | float] = {0: slope.size, 1: float(eps)}
    weights = [slope, mean, variance, bias]
    return graph.add("BatchNorm", x, settings=settings, weights=weights)


@to_ncnn(Normalize)
def normalize(layer: Layer[Normalize], graph: LayerGraph, x: str) -> str:
    """Unit vectors over channels, or whole images, times a learned scale."""
    params = layer.params
    return _unit(layer, graph, x, params.eps, graph.blobs[0].reshape(-1), params.across_spatial)


@to_ncnn(GRN)
def grn(layer: Layer[GRN], graph: LayerGraph, x: str) -> str:
    """Divide by sqrt(sum of squares over channels + bias)."""
    return _unit(layer, graph, x, layer.params.bias)


@to_ncnn(UnitNormalize)
def unit_normalize(layer: Layer[UnitNormalize], graph: LayerGraph, x: str) -> str:
    """Unit vectors over channels."""
    if layer.params.normalize_type == "L2":
        return _unit(layer, graph, x, _UNIT_EPS)
    norm = graph.scaled(graph.reduced(x, _L1, [0]), shift=_UNIT_EPS)
    return graph.by_tensor(x, DIV, norm)


def _unit(
    layer: Layer,
    graph: LayerGraph,
    x: str,
    eps: float,
    scale: Array | None = None,
    whole: bool = False,
) -> str:
    """Divided by sqrt(sum of squares + eps), times a scale, of each channel or one."""
    shape = layer.bottoms[0].shape or ()
    scale = np.ones(1, np.float32) if scale is None else scale
    # ncnn takes the axes of a map alone for what they are.
    y = x if len(shape) == 4 else graph.reshape(x, (*shape[1:], 1, 1)[:3])
    settings: dict[int, int | float] = {
        0: int(whole),
        1: int(scale.size == 1),
        2: float(eps),
        3: scale.size,
        4: 1,
    }
    y = graph.add("Normalize", y, settings=settings, weights=[scale])
    return y if len(shape) == 4 else graph.reshape(y, shape[1:])
