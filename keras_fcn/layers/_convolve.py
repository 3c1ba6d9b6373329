"""Convolution as Keras computes it, around what TensorFlow 2.21 gets wrong on CPUs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_fcn.layers._spatial import conv

Sizes = Sequence[int]


def convolve(
    x: Any,
    kernel: Any,
    strides: Sizes,
    padding: str,
    dilation: Sizes,
    *,
    depthwise: bool = False,
    may_be_empty: bool = False,
) -> Any:
    """Convolve (N, ..., C) with a kernel.

    - A stride over a kernel of a single position: the positions are taken first. oneDNN's gradient
      of such a kernel writes past its memory.
    - Strides with a dilation rate, and unequal strides of a depthwise convolution, which
      TensorFlow refuses: every window is computed, and those that count are taken.
    - An empty batch, to which oneDNN gives the input's shape.

    Args:
        x: the images.
        kernel: the taps, then channels and filters; channels and multiplier if depthwise.
        strides: one for each spatial axis.
        padding: `"valid"` or `"same"`; see the restrictions of `GroupedConv2D`.
        dilation: one for each spatial axis.
        depthwise: whether each channel has filters of its own.
        may_be_empty: whether the batch may be empty where its size is only known at run
            time. One image is then added to it, which takes a copy.
    """
    sizes = tuple(kernel.shape[: len(strides)])
    if max(strides, default=1) > 1 and max(sizes) == 1:
        x, strides = _every(x, strides), (1,) * len(strides)
    guarded = x.shape[0] == 0 or (may_be_empty and x.shape[0] is None)
    if guarded:  # a reshaped output would do, but TensorFlow's optimizer drops the reshape
        x = ops.concatenate([x, ops.zeros((1, *ops.shape(x)[1:]), x.dtype)])
    after = _taken_after(strides, dilation, depthwise)
    now = tuple(stride // step for stride, step in zip(strides, after, strict=True))
    if depthwise:
        outputs = ops.depthwise_conv(
            x,
            kernel,
            strides=now if len(set(now)) > 1 else max(now, default=1),
            padding=padding,
            data_format="channels_last",
            dilation_rate=tuple(dilation),
        )
    else:
        outputs = conv(x, kernel, now, padding, dilation)
    if guarded:
        outputs = outputs[:-1]
    return _every(outputs, after)


def _taken_after(strides: Sizes, dilation: Sizes, depthwise: bool) -> tuple[int, ...]:
    """Step at which the windows along each axis count, where too many must be computed."""
    if max(strides, default=1) > 1 and max(dilation) > 1:
        return tuple(strides)
    if depthwise and len(set(strides)) > 1:
        return tuple(stride // math.gcd(*strides) for stride in strides)
    return (1,) * len(strides)


def _every(x: Any, steps: Sizes) -> Any:
    """Every so many positions of each spatial axis, from the first one on."""
    if max(steps, default=1) == 1:
        return x
    return x[(slice(None), *(slice(None, None, step) for step in steps))]
