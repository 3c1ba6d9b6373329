"""Activations otherwise: slopes, dropout that scales, axes, layers that are left out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keras_fcn.caffe.layers.activation import Dropout, PReLU, ReLU, Softmax
from keras_fcn.caffe.layers.concat import Concat
from keras_fcn.caffe.layers.eltwise import Eltwise
from keras_fcn.caffe.layers.mobile import ReLU6
from keras_fcn.verifying.causes.registry import hypothesis
from keras_fcn.verifying.causes.steps import Chain, Step
from keras_fcn.verifying.report import Array

_SLOPES = (0.0, 0.01, 0.1, 0.2, 0.25, 0.3, 0.5)
_MOST_ORDERED = 8  # bottoms whose orders are tried


@hypothesis(
    "ReLU slope",
    "below 0 the reference's {layer} multiplies by {detail}",
    ReLU,
    ReLU6,
    PReLU,
)
def slope(step: Step, chain: Chain) -> Iterator[Step]:
    """A leak that was read as none, or the other way round; slopes of channels lost."""
    for value in _SLOPES:
        yield from _sloped(step, value, f"{value:g}")
    if isinstance(step.params, PReLU) and step.blobs[0].size > 1:
        mean = step.blobs[0].mean()
        yield step.with_blob(0, np.full_like(step.blobs[0], mean), "one slope for all channels")
        yield step.with_blob(0, step.blobs[0][::-1], "the slopes of the channels in reverse")


@hypothesis(
    "a slope of its own",
    "below 0 the reference's {layer} multiplies by {detail}",
    ReLU,
    ReLU6,
    PReLU,
    freedom=1,
)
def own_slope(step: Step, chain: Chain) -> Iterator[Step]:
    """A slope that is in no list: the one that fits."""
    if step is not chain.steps[-1] or step.bottom.shape != chain.theirs.shape:
        return
    below = step.bottom < 0
    x, y = (values[below].astype(np.float64) for values in (step.bottom, chain.theirs))
    if x.size and (value := float(x @ y / (x @ x))) < 1:
        yield from _sloped(step, value, f"{value:.3g}")


def _sloped(step: Step, value: float, detail: str) -> Iterator[Step]:
    if isinstance(step.params, PReLU):
        yield step.with_blob(0, np.full_like(step.blobs[0], value), detail)
    elif value != step.params.negative_slope and value >= 0:
        detail += f", not {step.params.negative_slope:g}"
        yield step.with_fields(detail, negative_slope=value)


@hypothesis("ReLU6", "the reference's {layer} {detail}", ReLU, ReLU6)
def clipped(step: Step, chain: Chain) -> Iterator[Step]:
    """MobileNet's ReLU6, for ReLU or taken for it."""
    if isinstance(step.params, ReLU):
        yield step.then(lambda top: np.minimum(top, 6), "cuts at 6")
    else:
        x, below = step.bottom, step.params.negative_slope
        made = np.maximum(x, 0) + below * np.minimum(x, 0)
        yield step.giving(made, f"does not cut at {step.params.n:g}")


@hypothesis(
    "Dropout scaling",
    "the reference's {layer} {detail} when tested; Caffe scales when it trains, and passes on "
    "what it reads when it tests",
    Dropout,
)
def dropout(step: Step, chain: Chain) -> Iterator[Step]:
    """The older way: dropped when trained without scaling, scaled when tested."""
    keep = 1 - step.params.dropout_ratio
    if keep < 1:
        yield step.then(lambda top: top * keep, f"multiplies by {keep:g}")
        yield step.then(lambda top: top / keep, f"divides by {keep:g}")


@hypothesis("Softmax axis", "the reference's {layer} takes the softmax along {detail}", Softmax)
def softmax_axis(step: Step, chain: Chain) -> Iterator[Step]:
    """Maps of channels-last frameworks, whose softmax is along another axis."""
    rank = step.bottom.ndim
    for axis in range(rank):
        if axis != step.params.axis % rank and step.bottom.shape[axis] > 1:
            yield step.with_fields(f"axis {axis}, not {step.params.axis % rank}", axis=axis)
    flat = step.bottom.reshape(len(step.bottom), -1)
    if flat.shape[1] > step.bottom.shape[step.params.axis % rank]:
        yield step.giving(
            _softmax(flat).reshape(step.bottom.shape), "all axes but the batch together"
        )


@hypothesis("softmax otherwise", "the reference's {layer} {detail}", Softmax)
def softmax_twice(step: Step, chain: Chain) -> Iterator[Step]:
    """A softmax that the loss contains already, or that gives logarithms."""
    with np.errstate(divide="ignore"):
        yield step.then(np.log, "gives the logarithm")
    axis = step.params.axis
    yield step.then(lambda top: _softmax(top, axis), "takes the softmax twice")


def _softmax(x: Array, axis: int = 1) -> Array:
    raised = np.exp(x - x.max(axis=axis, keepdims=True))
    result: Array = raised / raised.sum(axis=axis, keepdims=True)
    return result


@hypothesis("layer left out", "the reference leaves {layer} out")
def left_out(step: Step, chain: Chain) -> Iterator[Step]:
    """A layer that was not written down, where what it reads has the shape of what it gives."""
    if len(step.bottoms) == 1 and not step.layer.is_source and len(step.layer.tops) == 1:
        yield step.giving(step.bottom)


@hypothesis(
    "order of inputs", "the reference's {layer} joins its inputs in the order {detail}", Concat
)
def joined(step: Step, chain: Chain) -> Iterator[Step]:
    """Branches that were listed in another order."""
    count = len(step.bottoms)
    if not 1 < count <= _MOST_ORDERED:
        return
    orders = {tuple(range(count))[::-1]}
    for one in range(count):
        for other in range(one):
            exchanged = list(range(count))
            exchanged[one], exchanged[other] = other, one
            orders.add(tuple(exchanged))
    for order in sorted(orders):
        names = ", ".join(step.layer.bottoms[i].name for i in order)
        made = np.concatenate([step.bottoms[i] for i in order], axis=step.params.axis)
        yield step.giving(made, names)


@hypothesis("Eltwise coefficients", "the reference's {layer} {detail}", Eltwise)
def joined_otherwise(step: Step, chain: Chain) -> Iterator[Step]:
    """Another operation, coefficients lost, or a branch that is not added."""
    params = step.params
    for name, verb in (("SUM", "adds"), ("PROD", "multiplies"), ("MAX", "takes the maximum of")):
        if name != params.operation:
            yield step.with_fields(f"{verb} its inputs", operation=name, coeff=())
    if params.coeff:
        yield step.with_fields("adds its inputs without their coefficients", coeff=())
    for index, bottom in enumerate(step.bottoms):
        yield step.giving(bottom, f"passes on {step.layer.bottoms[index].name!r} alone")
