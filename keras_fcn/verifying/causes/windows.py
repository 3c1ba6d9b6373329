"""Windows that lie or are counted otherwise: padding, rounding of sizes, divisors of means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.pooling import Pooling
from keras_fcn.verifying.causes.registry import hypothesis
from keras_fcn.verifying.causes.steps import Chain, Step
from keras_fcn.verifying.report import Array

_AXES = 2  # height and width
_INNER = "AVE_EXC_PAD"  # a mean of the positions inside the map only


@hypothesis(
    "padding on the other side",
    "the reference's {layer} pads otherwise: {detail}; Caffe pads both sides alike",
    Convolution,
    Pooling,
)
def padded(step: Step, chain: Chain) -> Iterator[Step]:
    """`SAME` of TensorFlow pads less before the map than behind it."""
    wanted = chain.wanted(step)[2:]
    if step.bottom.ndim != 4 or len(wanted) != _AXES or not _windows(step):
        return
    extents, strides, pads = _windows(step)
    for shift in _shifts(pads):
        before = [pad + by for pad, by in zip(pads, shift, strict=True)]
        sizes = zip(wanted, strides, extents, step.bottom.shape[2:], before, strict=True)
        after = [(out - 1) * s + e - size - lead for out, s, e, size, lead in sizes]
        if min(before) < 0:
            continue
        yield _apart(
            step,
            _framed(step.bottom, before, after, _edge(step)),
            f"{_told(before)} before and {_told(after)} behind the map",
        )


@hypothesis(
    "zeros in the padding",
    "the reference's {layer} takes the padding for zeros; Caffe's MAX pooling leaves it out",
    Pooling,
)
def zero_padded(step: Step, chain: Chain) -> Iterator[Step]:
    """Padding by a layer of its own."""
    params = step.params
    if params.pool == "MAX" and any(params.pad) and params.kernel_size:
        yield _whole_windows(step, "")


@hypothesis(
    "floor for ceil pooling",
    "the reference's {layer} rounds the size of its map {detail}",
    Pooling,
)
def rounded(step: Step, chain: Chain) -> Iterator[Step]:
    """Frameworks whose poolings round down."""
    if step.params.round_mode == "FLOOR":
        yield step.with_fields("up (ceil); this network rounds it down", round_mode="CEIL")
    else:
        yield step.with_fields("down (floor); Caffe rounds it up", round_mode="FLOOR")


@hypothesis(
    "AVE divisor",
    "the reference's {layer} divides the sums of its windows by {detail}",
    Pooling,
)
def divisor(step: Step, chain: Chain) -> Iterator[Step]:
    """Means of other frameworks, which leave the padding out."""
    params = step.params
    if params.kernel_size is None or params.pool not in ("AVE", _INNER, "AVE_TF"):
        return
    if params.pool == "AVE":
        yield step.with_fields(
            "the positions inside the map; Caffe counts the padding too", pool=_INNER
        )
    else:
        yield step.with_fields("all positions, those of the padding too", pool="AVE")
    whole = step.with_fields(pool="AVE")
    yield _whole_windows(whole, "the whole window, also where it reaches past the padding")


@hypothesis("pooling of another kind", "the reference's {layer} takes {detail}", Pooling)
def pooled(step: Step, chain: Chain) -> Iterator[Step]:
    """MAX for AVE."""
    if step.params.pool == "MAX":
        yield step.with_fields("the mean of a window, not its maximum", pool="AVE")
    else:
        yield step.with_fields("the maximum of a window, not its mean", pool="MAX")


def _windows(step: Step) -> tuple[Sequence[int], ...]:
    """Extents, strides and pads of a layer's windows; empty where they cover the whole map."""
    params = step.params
    if isinstance(params, Pooling):
        return (params.extents, params.stride, params.pad) if params.kernel_size else ()
    sizes, steps = (params.along(f, _AXES) for f in ("kernel_size", "dilation"))
    extents = [by * (size - 1) + 1 for size, by in zip(sizes, steps, strict=True)]
    return extents, params.along("stride", _AXES), params.along("pad", _AXES)


def _shifts(pads: Sequence[int]) -> list[tuple[int, int]]:
    """Steps by which the padding before the map may be more or less, the likely ones first."""
    most = max(pads)
    found = [(by, by) for by in (-1, 1, -most, most) if by]
    found += [(by, 0) for by in (-1, 1)] + [(0, by) for by in (-1, 1)]
    return list(dict.fromkeys(found))


def _edge(step: Step) -> float:
    """What stands in the padding: zeros, or what a maximum never takes."""
    is_max = isinstance(step.params, Pooling) and step.params.pool == "MAX"
    return float(step.bottom.min()) - 1 if is_max else 0.0


def _framed(x: Array, before: Sequence[int], after: Sequence[int], value: float) -> Array:
    """A map with a frame, whose negative widths behind it cut."""
    for axis, (lead, trail) in enumerate(zip(before, after, strict=True), 2):
        widths = [(0, 0)] * x.ndim
        widths[axis] = (lead, max(trail, 0))
        x = np.pad(x, widths, constant_values=value)
        if trail < 0:
            x = x.take(np.arange(x.shape[axis] + trail), axis)
    return x


def _apart(step: Step, framed: Array, detail: str) -> Step:
    """The step on a map that has its padding already."""
    fields: dict[str, Any] = {"pad": (0,) * len(step.params.pad)}
    if isinstance(step.params, Pooling):
        fields["round_mode"] = "FLOOR"
    return step.with_fields(**fields).with_bottom(framed, detail)


def _whole_windows(step: Step, detail: str) -> Step:
    """A pooling whose padding, and what its windows reach behind, is zeros of the map."""
    params = step.params
    outs = params.top_shapes((step.bottom.shape,), 1)[0][2:]
    rules = zip(outs, params.stride, params.extents, step.bottom.shape[2:], params.pad, strict=True)
    after = [(out - 1) * s + e - size - pad for out, s, e, size, pad in rules]
    return _apart(step, _framed(step.bottom, params.pad, after, 0.0), detail)


def _told(sizes: Sequence[int]) -> str:
    return "x".join(map(str, dict.fromkeys(sizes)))
