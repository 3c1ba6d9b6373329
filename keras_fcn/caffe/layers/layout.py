"""Caffe's weight layouts <-> Keras': the one place where a kernel is transposed.

All functions give views, but for the few numbers of `statistics`; nothing else is
copied until the result is written.
"""

from __future__ import annotations

import math

import numpy as np

from keras_fcn.caffe.layers.base import Array, KerasWeight


def conv_kernel(blob: Array) -> KerasWeight:
    """(O, I/group, *spatial) -> (*spatial, I/group, O); groups stay Keras groups."""
    outputs, inputs, *spatial = blob.shape
    source = blob.reshape(outputs, inputs, math.prod(spatial)).transpose(2, 1, 0)
    return KerasWeight("kernel", (*spatial, inputs, outputs), source)


def conv_kernel_blob(kernel: Array) -> Array:
    """The inverse of `conv_kernel`."""
    rank = kernel.ndim
    return kernel.transpose(rank - 1, rank - 2, *range(rank - 2))


def dense_kernel(blob: Array, channels: int | None) -> KerasWeight:
    """(O, K) -> (K, O), reordered from (C, H*W) to (H*W, C) after a feature map.

    Args:
        blob: the inner product's weight, (outputs, inputs).
        channels: channels C of the map that is flattened into the inputs, or
            None where the inputs are a plain vector.
    """
    outputs, inputs = blob.shape
    if channels in (None, inputs):
        source = blob.transpose()
    else:
        source = blob.reshape(outputs, channels, inputs // channels).transpose(2, 1, 0)
    return KerasWeight("kernel", (inputs, outputs), source)


def dense_kernel_blob(kernel: Array, channels: int | None) -> Array:
    """The inverse of `dense_kernel`."""
    inputs, outputs = kernel.shape
    if channels in (None, inputs):
        return kernel.transpose()
    return (
        kernel.reshape(inputs // channels, channels, outputs)
        .transpose(2, 1, 0)
        .reshape(outputs, inputs)
    )


def transposed(name: str, blob: Array) -> KerasWeight:
    """(outputs, inputs) -> (inputs, outputs); a vector as it is. Its own inverse."""
    return KerasWeight(name, blob.shape[::-1], blob.transpose())


def cast_kernel(weight: KerasWeight, channels: int, spatial: tuple[int, ...]) -> KerasWeight:
    """A dense kernel as the kernel of the convolution that does the same.

    Net surgery: an inner product over an H x W map of C channels is an H x W
    convolution with one output position. Both kernels hold the same numbers in
    the same order, only the shape differs.
    """
    inputs, outputs = weight.shape
    if math.prod(spatial) * channels != inputs:
        sizes = " x ".join(map(str, (*spatial, channels)))
        raise ValueError(f"a map of {sizes} does not give its {inputs} inputs")
    return KerasWeight("kernel", (*spatial, channels, outputs), weight.source)


def bias(blob: Array) -> KerasWeight:
    """(O,) as it is."""
    return KerasWeight("bias", blob.shape, blob)


def statistics(mean: Array, variance: Array, factor: Array) -> list[KerasWeight]:
    """Caffe's sums of means and variances, and their weight, as the averages they stand for.

    A weight of 0, before any training, makes them 0. Keras' BatchNormalization has no
    such weight; it tells how much the next training pass counts.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # as Caffe, which takes doubles as floats
        mean, variance, factor = (np.asarray(x, np.float32) for x in (mean, variance, factor))
        share = np.divide(1, factor, out=np.zeros_like(factor), where=factor != 0)
        mean, variance = mean * share, variance * share
    return [
        KerasWeight("moving_mean", mean.shape, mean),
        KerasWeight("moving_variance", variance.shape, variance),
        KerasWeight("factor", factor.shape, factor, listed=False),
    ]


def statistics_blobs(mean: Array, variance: Array, factor: Array | None = None) -> list[Array]:
    """The inverse of `statistics`; without a weight the averages count as they are."""
    if factor is None or (not np.any(factor) and (np.any(mean) or np.any(variance))):
        factor = np.ones(1, np.float32)  # a weight of 0 would forget them
    return [_stable_sums(mean, factor), _stable_sums(variance, factor), factor]


def _stable_sums(average: Array, factor: Array) -> Array:
    """Sums that read as the averages where there are such, and are written so ever after."""
    average = np.asarray(average, np.float32)
    sums = _nearby_sums(average, factor)
    return _nearby_sums(statistics(sums, sums, factor)[0].source, factor)


@np.errstate(over="ignore", invalid="ignore")
def _nearby_sums(average: Array, factor: Array) -> Array:
    """The nearest of the sums a few roundings off that reads as the average."""
    first = best = (average * factor).astype(np.float32)
    found = np.zeros(best.shape, bool)
    for step in (0, 1, -1, 2, -2, 3, -3):
        candidate = first
        for _ in range(abs(step)):
            candidate = np.nextafter(candidate, np.float32(math.copysign(np.inf, step)))
        fits = ~found & (statistics(candidate, candidate, factor)[0].source == average)
        best = np.where(fits, candidate, best)
        found |= fits
    return best


def one_axis(name: str, blob: Array) -> KerasWeight:
    """(1, C, 1, 1), or the like, -> (C,)."""
    return KerasWeight(name, (blob.size,), blob)


def one_axis_blob(weight: Array, axis: int) -> Array:
    """The inverse of `one_axis`: the numbers lie along one of four axes."""
    shape = [1] * 4
    shape[axis] = weight.size
    return weight.reshape(shape)


def channels_last(blob: Array) -> Array:
    """(N, C, ...) -> (N, ..., C); one or two axes stay."""
    return np.moveaxis(blob, 1, -1) if blob.ndim > 2 else blob


def channels_first(array: Array) -> Array:
    """The inverse of `channels_last`."""
    return np.moveaxis(array, -1, 1) if array.ndim > 2 else array
