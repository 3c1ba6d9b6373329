"""Fold layers that scale and shift channels into the convolution before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from keras_fcn.caffe.layers.base import Array
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.deconvolution import Deconvolution
from keras_fcn.caffe.layers.inner_product import InnerProduct
from keras_fcn.caffe.layers.normalization import BatchNorm, ScaledBatchNorm
from keras_fcn.caffe.layers.scale import Bias, Scale
from keras_fcn.caffe.net.network import Layer, Network
from keras_fcn.caffe.surgery.editing import drop, with_blobs_renamed, with_params
from keras_fcn.caffe.surgery.net import TrainedNet, blobs_of, rebuilt

Affine = tuple[Array, Array]
"""Factor and offset of each channel, float64."""


def _batch_norm(params: BatchNorm, blobs: Sequence[Array]) -> Affine | None:
    if params.use_global_stats is False:
        return None
    mean, variance, count = (np.asarray(blob, np.float64) for blob in blobs)
    inverse = 0.0 if count[0] == 0 else 1 / count[0]
    factor = 1 / np.sqrt(variance * inverse + params.eps)
    return factor, -mean * inverse * factor


def _scaled_batch_norm(params: ScaledBatchNorm, blobs: Sequence[Array]) -> Affine | None:
    normalized = _batch_norm(params, blobs[:3])
    if normalized is None:
        return None
    scale, *bias = (np.asarray(blob, np.float64) for blob in blobs[3:])
    factor, offset = (scale * part for part in normalized)
    return factor, offset + bias[0] if bias else offset


def _scale(params: Scale, blobs: Sequence[Array]) -> Affine | None:
    if params.axis != 1 or not blobs or np.ndim(blobs[0]) != 1:
        return None
    factor, *bias = (np.asarray(blob, np.float64) for blob in blobs)
    return factor, bias[0] if bias else np.zeros_like(factor)


def _bias(params: Bias, blobs: Sequence[Array]) -> Affine | None:
    if params.axis != 1 or not blobs or np.ndim(blobs[0]) != 1:
        return None
    offset = np.asarray(blobs[0], np.float64)
    return np.ones_like(offset), offset


_AFFINE: dict[type, Callable[[Any, Sequence[Array]], Affine | None]] = {
    BatchNorm: _batch_norm,
    ScaledBatchNorm: _scaled_batch_norm,
    Scale: _scale,
    Bias: _bias,
}


def fold_batch_norm(net: TrainedNet) -> TrainedNet:
    """Fold each BatchNorm, Scale and Bias into the layer with a kernel just before it.

    What cannot be folded stays: where somebody else reads the blob in between, where
    statistics are those of the batch, or where the factors are a second bottom. The
    result is for inference: nothing normalizes batches in training any more.

    Args:
        net: the net.

    Returns:
        A net of fewer layers with the same outputs, under the same names: what a layer
        with a kernel makes has the name of the last blob that it now makes. Sums are
        made in float64 and rounded once.

    Raises:
        CaffeError: the net does not hold together without the layers.
    """
    network = net.network
    blobs = blobs_of(net)
    changed: dict[str, list[Array]] = {}
    folded: list[str] = []
    tops: dict[str, str] = {}
    for layer in network.layers:
        if not isinstance(layer.params, Convolution | Deconvolution | InnerProduct):
            continue
        rank = len(layer.bottoms[0].shape or ())
        if len(layer.tops) != 1 or layer.params.axis not in (1, 1 - rank):
            continue
        if any(spec.name for spec in layer.param_specs):
            continue  # another layer has the same kernel
        channels = layer.params.num_output
        factor, offset, followers = _following(network, layer, channels, blobs)
        if not followers:
            continue
        weight, *bias = blobs[layer.name]
        kernel = _times(layer, np.asarray(weight, np.float64), factor)
        start = np.asarray(bias[0], np.float64) if bias else 0.0
        shift = start * factor + offset
        changed[layer.name] = [kernel.astype(np.float32), shift.astype(np.float32)]
        folded += followers
        tops[layer.tops[0].name] = network.layer(followers[-1]).tops[0].name
    bare = drop(net, folded)
    definition = with_blobs_renamed(bare.network.definition, tops)
    for name in changed:
        layer = network.layer(name)
        definition = with_params(definition, layer, lambda params: replace(params, bias_term=True))
    return rebuilt(bare, definition, blobs_of(bare) | changed)


def _following(
    network: Network, layer: Layer, channels: int, blobs: dict[str, Sequence[Array]]
) -> tuple[Array, Array, list[str]]:
    """The product of the affine layers right behind a layer, and their names."""
    factor, offset = np.ones(channels), np.zeros(channels)
    names: list[str] = []
    blob = layer.tops[0]
    while True:
        readers = [other for other in network.layers if blob in other.bottoms]
        if len(readers) != 1 or len(readers[0].bottoms) != 1 or len(readers[0].tops) != 1:
            return factor, offset, names
        reader = readers[0]
        if blob in network.outputs or _is_of_batch(reader, network):
            return factor, offset, names
        fold = _AFFINE.get(type(reader.params))
        affine = fold(reader.params, blobs.get(reader.name, ())) if fold else None
        if affine is None or any(spec.name for spec in reader.param_specs):
            return factor, offset, names
        factor, offset = factor * affine[0], offset * affine[0] + affine[1]
        names.append(reader.name)
        blob = reader.tops[0]


def _is_of_batch(layer: Layer, network: Network) -> bool:
    """Whether a layer normalizes by the batch, as it does in training unless it is told not to."""
    in_training = network.state.phase == "TRAIN"
    unsaid = isinstance(layer.params, BatchNorm) and layer.params.use_global_stats is None
    return in_training and unsaid


def _times(layer: Layer, kernel: Array, factor: Array) -> Array:
    """A kernel with each output channel multiplied."""
    params = layer.params
    if isinstance(params, InnerProduct) and params.transpose:
        return kernel * factor
    if isinstance(params, Deconvolution):  # (inputs, outputs / group, ...), groups along inputs
        groups = kernel.reshape(params.group, -1, *kernel.shape[1:])
        factors = factor.reshape(params.group, 1, -1, *(1,) * (kernel.ndim - 2))
        return (groups * factors).reshape(kernel.shape)
    return kernel * factor.reshape(-1, *(1,) * (kernel.ndim - 1))
