"""Predictions and labels as Caffe counts them: position by position, in its order."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from keras_fcn.layers._axes import channels_last_axis


def flat(x: Any) -> Any:
    """All elements, in Caffe's order."""
    return ops.reshape(_caffe_order(x), (-1,))


def flat_labels(labels: Any) -> Any:
    """All labels as integers, in Caffe's order; fractions are cut off."""
    return ops.cast(flat(labels), "int32")


def vectors(x: Any) -> Any:
    """(N, elements of one image, in Caffe's order)."""
    sizes = x.shape[1:]
    elements = -1 if None in sizes else math.prod(sizes)
    return ops.reshape(_caffe_order(x), (ops.shape(x)[0], elements))


def by_position(x: Any, axis: int) -> Any:
    """(positions, classes), positions in Caffe's order; the classes lie along a Caffe axis."""
    rank = len(x.shape)
    axis %= rank
    order = [channels_last_axis(a, rank) for a in (*range(axis), *range(axis + 1, rank), axis)]
    if order != sorted(order):
        x = ops.transpose(x, order)
    return ops.reshape(x, (-1, ops.shape(x)[-1]))


def size_before(x: Any, axis: int) -> Any:
    """Number of vectors along the axes before a Caffe axis, which Caffe calls the batch."""
    rank, sizes = len(x.shape), ops.shape(x)
    return math.prod(sizes[channels_last_axis(a, rank)] for a in range(axis % rank))


def counted(labels: Any, ignore_label: int | None) -> Any:
    """Mask of the labels that count."""
    return ops.ones_like(labels, "bool") if ignore_label is None else labels != ignore_label


def _caffe_order(x: Any) -> Any:
    return ops.moveaxis(x, -1, 1) if len(x.shape) > 2 else x
