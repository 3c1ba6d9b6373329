"""Convolution and its like by definition, one tap of the kernel after the other.

Arrays are in Caffe's order, (N, C, ...).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st


class Axis(NamedTuple):
    """Cells of the bottom, and windows over them."""

    size: int
    kernel: int
    stride: int
    pad: int
    dilation: int

    @property
    def extent(self) -> int:
        return self.dilation * (self.kernel - 1) + 1


@st.composite
def axes(draw: st.DrawFn, most: int = 3, deconvolution: bool = False) -> list[Axis]:
    """Up to ``most`` spatial axes on which Caffe makes at least one window."""
    found = []
    for _ in range(draw(st.integers(0, most))):
        kernel, stride, dilation = draw(st.tuples(*(st.integers(1, n) for n in (4, 5, 3))))
        extent = dilation * (kernel - 1) + 1
        if deconvolution:
            size = draw(st.integers(1, 4))
            pad = draw(st.integers(0, (stride * (size - 1) + extent - 1) // 2))
        else:
            pad = draw(st.integers(0, 3))
            # A window may hang over by less than a stride.
            size = draw(st.integers(0, 6)) + max(1, extent - 2 * pad - stride + 1)
        found.append(Axis(size, kernel, stride, pad, dilation))
    return found


def _taps(along: Sequence[Axis]) -> Iterator[tuple[int, ...]]:
    return itertools.product(*(range(axis.kernel) for axis in along))


def columns(x: np.ndarray, along: Sequence[Axis], counts: Sequence[int]) -> np.ndarray:
    """(N, C, taps..., windows...) of (N, C, ...), with zeros wherever there is no cell."""
    margin = [(axis.pad, axis.pad + axis.extent + axis.stride) for axis in along]
    x = np.pad(x, [(0, 0), (0, 0), *margin])
    taps = []
    for tap in _taps(along):
        cells = tuple(
            slice(t * axis.dilation, t * axis.dilation + axis.stride * count, axis.stride)
            for t, axis, count in zip(tap, along, counts, strict=True)
        )
        taps.append(x[(slice(None), slice(None), *cells)])
    kernel = [axis.kernel for axis in along]
    return np.stack(taps, 2).reshape(*x.shape[:2], *kernel, *counts)


def convolved(
    x: np.ndarray, kernel: np.ndarray, along: Sequence[Axis], counts: Sequence[int]
) -> np.ndarray:
    """A convolution of (N, C, ...) with (O, C / groups, ...)."""
    groups = x.shape[1] // kernel.shape[1]
    cells = columns(x, along, counts)
    contracted = range(1, 2 + len(along))
    parts = [
        np.tensordot(part, weights, (contracted, contracted))
        for part, weights in zip(np.split(cells, groups, 1), np.split(kernel, groups), strict=True)
    ]
    return np.moveaxis(np.concatenate(parts, -1), -1, 1)


def deconvolved(
    x: np.ndarray, kernel: np.ndarray, along: Sequence[Axis], groups: int
) -> np.ndarray:
    """A deconvolution of (N, C, ...) with (C, O / groups, ...): every cell adds its kernel."""
    whole = [axis.stride * (axis.size - 1) + axis.extent for axis in along]
    outputs = np.zeros((len(x), kernel.shape[1] * groups, *whole))
    for tap in _taps(along):
        weights = kernel[(slice(None), slice(None), *tap)]
        parts = [
            np.einsum("nc...,co->no...", part, part_weights)
            for part, part_weights in zip(
                np.split(x, groups, 1), np.split(weights, groups), strict=True
            )
        ]
        cells = tuple(
            slice(t * axis.dilation, t * axis.dilation + axis.stride * axis.size, axis.stride)
            for t, axis in zip(tap, along, strict=True)
        )
        target = outputs[(slice(None), slice(None), *cells)]
        target += np.concatenate(parts, 1)
    inside = (slice(axis.pad, n - axis.pad) for n, axis in zip(whole, along, strict=True))
    return outputs[(slice(None), slice(None), *inside)]
