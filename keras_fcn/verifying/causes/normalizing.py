"""Normalization by other numbers: LRN's alpha, statistics and epsilons of BatchNorm."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from keras_fcn.caffe.layers.bn import PSPNetBN
from keras_fcn.caffe.layers.normalization import LRN, BatchNorm
from keras_fcn.verifying.causes.registry import hypothesis
from keras_fcn.verifying.causes.steps import Chain, Step
from keras_fcn.verifying.report import Array

_EPSILONS = (1e-3, 1e-5, 1e-4, 2e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-2, 0.0)
"""Those of Keras, Caffe and PyTorch, of cuDNN's least, and others that are in use."""
_REGIONS = {
    "ACROSS_CHANNELS": ("WITHIN_CHANNEL", "within each channel, not across channels"),
    "WITHIN_CHANNEL": ("ACROSS_CHANNELS", "across channels, not within each channel"),
}


@hypothesis(
    "LRN alpha",
    "the reference's {layer} takes alpha otherwise: {detail}; Caffe divides it by the size of "
    "the region",
    LRN,
)
def lrn_alpha(step: Step, chain: Chain) -> Iterator[Step]:
    """TensorFlow's LRN takes alpha as it is, and half of the region as a radius."""
    alpha, size, within = step.params.alpha, step.params.local_size, step.params.norm_region
    region = size if within == "ACROSS_CHANNELS" else size * size
    yield step.with_fields("it is not divided by the size of the region", alpha=alpha * region)
    yield step.with_fields("it is divided twice", alpha=alpha / region)
    wide = 2 * size + 1
    of = f"local_size {size} is taken for a radius, of {wide} channels"
    for factor, how in ((wide, ", and alpha is not divided"), (wide / size, ""), (1, "")):
        yield step.with_fields(of + how, local_size=wide, alpha=alpha * factor)


@hypothesis("LRN constants", "the reference's {layer} has {detail}", LRN)
def lrn_constants(step: Step, chain: Chain) -> Iterator[Step]:
    """Constants of the paper or of another layer, in place of the layer's."""
    for field, values in {"k": (1.0, 2.0), "beta": (0.75, 0.5), "alpha": (1e-4, 1.0)}.items():
        for value in values:
            if value != getattr(step.params, field):
                yield step.with_fields(f"{field}: {value:g}", **{field: value})


@hypothesis("LRN region", "the reference's {layer} sums {detail}", LRN)
def lrn_region(step: Step, chain: Chain) -> Iterator[Step]:
    """Frameworks that know the one region only."""
    region, detail = _REGIONS[step.params.norm_region]
    yield step.with_fields(detail, norm_region=region)
    count = step.params.local_size
    for factor in (count, 1 / count):  # the other region has as many times more or less elements
        yield step.with_fields(detail, norm_region=region, alpha=step.params.alpha * factor)


@hypothesis(
    "BatchNorm scale factor",
    "the reference's {layer} {detail}; Caffe divides both sums by the third blob",
    BatchNorm,
)
def factor(step: Step, chain: Chain) -> Iterator[Step]:
    """Caffe's third blob forgotten, or used otherwise."""
    mean, variance, factor = step.blobs[:3]
    if factor.size != 1 or factor.flat[0] in (0, 1):
        return
    value = factor.flat[0]
    told = f"by the factor {value:g}"
    yield step.with_blob(2, [1.0], f"does not divide mean and variance {told}")
    yield step.with_blob(2, [value * value], f"divides {told} twice")
    yield step.with_blob(2, [1 / value], f"multiplies {told}")
    yield step.with_blob(0, mean * value, f"does not divide the mean {told}")
    yield step.with_blob(1, variance * value, f"does not divide the variance {told}")


@hypothesis(
    "BatchNorm epsilon",
    "the reference's {layer} adds {detail} to the variance",
    BatchNorm,
    PSPNetBN,
)
def epsilon(step: Step, chain: Chain) -> Iterator[Step]:
    """Other frameworks' defaults."""
    for value in _EPSILONS:
        if value != step.params.eps:
            yield step.with_fields(f"{value:g}, not {step.params.eps:g},", eps=value)


@hypothesis(
    "epsilon of its own",
    "the reference's {layer} adds {detail} to the variance",
    BatchNorm,
    PSPNetBN,
    freedom=1,
)
def own_epsilon(step: Step, chain: Chain) -> Iterator[Step]:
    """An epsilon that is in no list: the one that fits."""
    if chain.theirs.shape != step.bottom.shape or step is not chain.steps[-1]:
        return
    _, variance, _ = _statistics(step)
    pair = _by_channel(step.bottom), _by_channel(chain.theirs)
    spread = [_slope(x, y) for x, y in zip(*pair, strict=True)]
    scale = np.asarray(spread) / _affine(step)
    with np.errstate(all="ignore"):
        value = float(np.median(scale**-2.0 - variance))
    if np.isfinite(value) and value > 0:
        yield step.with_fields(f"{value:.3g}, not {step.params.eps:g},", eps=value)


@hypothesis(
    "epsilon outside the root",
    "the reference's {layer} adds epsilon {detail} to the root of the variance; Caffe adds it to "
    "the variance",
    BatchNorm,
    PSPNetBN,
)
def outside(step: Step, chain: Chain) -> Iterator[Step]:
    """(x - mean) / (sqrt(variance) + epsilon)."""
    eps = step.params.eps
    for value in dict.fromkeys((eps, *_EPSILONS[:-1])):

        def moved(variance: Array, value: float = value) -> Array:
            return np.asarray((np.sqrt(np.maximum(variance, 0)) + value) ** 2 - eps)

        yield _with_variance(step, moved, f"{value:g}")


@hypothesis(
    "variance stored as its inverse root",
    "the reference's {layer} takes the stored variance for {detail}",
    BatchNorm,
    PSPNetBN,
)
def inverse_root(step: Step, chain: Chain) -> Iterator[Step]:
    """Forks store what they multiply by: PSPNet's when trained for testing."""
    eps = step.params.eps
    forms: dict[str, Callable[[Array], Array]] = {
        "1 / sqrt(variance + epsilon), and multiplies by it": lambda v: v**-2.0 - eps,
        "1 / sqrt(variance), and adds epsilon to what it stands for": lambda v: v**-2.0,
        "the standard deviation, and divides by it": lambda v: v**2 - eps,
        "the standard deviation, and adds epsilon to its square": lambda v: v**2,
        "1 / variance": lambda v: 1 / v - eps,
    }
    _, variance, _ = _statistics(step)
    if (variance > 0).all():
        for detail, form in forms.items():
            yield _with_variance(step, form, detail)


@hypothesis(
    "statistics of the batch",
    "the reference's {layer} normalizes by the mean and variance of what it is fed, as when "
    "trained; Caffe takes the stored ones",
    BatchNorm,
)
def of_batch(step: Step, chain: Chain) -> Iterator[Step]:
    """A model that runs in training mode."""
    if step.params.use_global_stats is not False:
        yield step.with_fields(use_global_stats=False)


def _statistics(step: Step) -> tuple[int, Array, float]:
    """Which blob is the variance, the variance itself, and what its blob is divided by."""
    if isinstance(step.params, PSPNetBN):
        return 3, step.blobs[3].reshape(-1), 1.0
    value = float(step.blobs[2].flat[0])
    share = 1 / value if value else 0.0
    return 1, step.blobs[1].reshape(-1) * share, value


def _with_variance(step: Step, form: Callable[[Array], Array], detail: str) -> Step:
    index, variance, factor = _statistics(step)
    return step.with_blob(index, form(variance.astype(np.float64)) * factor, detail)


def _affine(step: Step) -> Array:
    """What a layer multiplies by besides, a number each channel."""
    if isinstance(step.params, PSPNetBN):
        return step.blobs[0].reshape(-1)
    return step.blobs[3].reshape(-1) if len(step.blobs) > 3 else np.ones(step.blobs[0].size)


def _by_channel(x: Array) -> Array:
    return np.moveaxis(x, 1, 0).reshape(x.shape[1], -1).astype(np.float64)


def _slope(x: Array, y: Array) -> float:
    """Of the line through the points."""
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / max(x @ x, np.finfo(np.float64).tiny))
