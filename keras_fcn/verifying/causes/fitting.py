"""Numbers and weights that the reference's blob tells, by least squares."""

from __future__ import annotations

import numpy as np

from keras_fcn.caffe.layers.activation import Dropout, ReLU
from keras_fcn.caffe.layers.base_convolution import BaseConvolution
from keras_fcn.caffe.layers.bn import PSPNetBN
from keras_fcn.caffe.layers.inner_product import InnerProduct
from keras_fcn.caffe.layers.normalization import BatchNorm
from keras_fcn.caffe.layers.scale import Broadcast
from keras_fcn.verifying.causes.steps import Chain, Step
from keras_fcn.verifying.report import Array

_AFFINE = (BaseConvolution, InnerProduct, BatchNorm, PSPNetBN, Broadcast, Dropout)
"""Kinds whose tops are sums of what they read, times numbers, and a constant."""
_MOST = 1 << 17  # entries that are looked at


def shift(step: Step, chain: Chain) -> Array | None:
    """What the reference's images have more, a number each channel."""
    columns = _columns(step, chain)
    if columns is None:
        return None
    wanted, _, whole, ones = columns
    return _solved(ones, wanted - whole)


def factor(step: Step, chain: Chain) -> float | None:
    """What the reference's images are multiplied by."""
    columns = _columns(step, chain)
    if columns is None:
        return None
    wanted, none, whole, _ = columns
    found = _solved((whole - none)[:, None], wanted - none)
    return None if found is None else float(found[0])


def factor_and_shift(step: Step, chain: Chain) -> tuple[float, Array] | None:
    """What the reference's images are multiplied by, and what they have more then."""
    columns = _columns(step, chain)
    if columns is None:
        return None
    wanted, none, whole, ones = columns
    found = _solved(np.column_stack([whole - none, ones]), wanted - none)
    return None if found is None else (float(found[0]), found[1:])


def left(step: Step, chain: Chain) -> float | None:
    """What the best scale and shift of the images leave of the difference, as a share of it.

    Returns:
        None where that cannot be told.
    """
    columns = _columns(step, chain)
    if columns is None:
        return None
    wanted, none, whole, ones = columns
    all_ = np.column_stack([whole - none, ones])
    found = _solved(all_, wanted - none)
    if found is None:
        return None
    own = np.linalg.norm(wanted - chain.values[-1].reshape(-1)[_kept(chain)])
    rest = np.linalg.norm(wanted - none - all_ @ found)
    return float(rest / max(own, np.finfo(np.float64).tiny))


def linear_entries(chain: Chain) -> tuple[int, Array] | None:
    """How many steps are affine, and which entries of the reference's blob are their sums.

    All entries are, but for a ReLU in the end, which keeps those above 0.

    Returns:
        None where other steps come between.
    """
    if chain.departure.behind is not None:
        return None
    *rest, last = chain.steps
    cut = isinstance(last.params, ReLU) and last.params.negative_slope == 0 and bool(rest)
    steps = rest if cut else chain.steps
    if not all(isinstance(x.params, _AFFINE) or x.layer.is_source for x in steps):
        return None
    return len(steps), chain.theirs > 0 if cut else np.ones(chain.theirs.shape, bool)


def _columns(step: Step, chain: Chain) -> tuple[Array, ...] | None:
    """Entries of the reference's blob, and of ours for no image, the image, and ones a channel.

    The last is without what no image gives: one column for each channel.
    """
    found = linear_entries(chain)
    if found is None or chain.theirs.shape != chain.values[-1].shape:
        return None
    count, kept = found[0], _kept(chain)

    def taken(x: Array) -> Array:
        return chain.top(0, step.with_bottom(x), until=count).reshape(-1)[kept].astype(np.float64)

    x = step.bottom
    none, whole = taken(np.zeros_like(x)), taken(x)
    ones = []
    for channel in range(x.shape[1]):
        one = np.zeros_like(x)
        one[:, channel] = 1
        ones.append(taken(one) - none)
    wanted = chain.theirs.reshape(-1)[kept].astype(np.float64)
    return wanted, none, whole, np.column_stack(ones)


def _kept(chain: Chain) -> Array:
    """Indices of the entries that are looked at."""
    found = linear_entries(chain)
    indices = np.flatnonzero(chain.theirs if found is None else found[1])
    return indices[:: len(indices) // _MOST + 1]


def _solved(columns: Array, wanted: Array) -> Array | None:
    if len(wanted) <= columns.shape[1] or not np.isfinite(wanted).all():
        return None
    solution: Array = np.linalg.lstsq(columns, wanted, rcond=None)[0]
    return solution if np.isfinite(solution).all() else None
