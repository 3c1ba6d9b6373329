"""Caffe's axes in Keras: channels come last from three axes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops


def channels_last_axis(axis: int, rank: int) -> int:
    """Index in a Keras tensor of `rank` axes of a Caffe axis, counted from 0."""
    if rank < 3 or axis == 0:
        return axis
    return rank - 1 if axis == 1 else axis - 1


def channels_first_axis(axis: int, rank: int) -> int:
    """Caffe's number of an axis of a Keras tensor of `rank` axes."""
    axis %= rank
    if rank < 3 or axis == 0:
        return axis
    return 1 if axis == rank - 1 else axis + 1


def channels_first_shape(shape: Sequence[Any]) -> tuple[Any, ...]:
    """(N, ..., C) -> (N, C, ...), Caffe's order; one or two axes stay."""
    return (shape[0], shape[-1], *shape[1:-1]) if len(shape) > 2 else tuple(shape)


def channels_last_shape(shape: Sequence[Any]) -> tuple[Any, ...]:
    """The inverse of `channels_first_shape`."""
    return (shape[0], *shape[2:], shape[1]) if len(shape) > 2 else tuple(shape)


def channels_first(x: Any) -> Any:
    """A tensor in Caffe's axis order."""
    return _transposed(x, channels_first_shape(range(len(x.shape))))


def channels_last(x: Any) -> Any:
    """The inverse of `channels_first`."""
    return _transposed(x, channels_last_shape(range(len(x.shape))))


def _transposed(x: Any, order: tuple[int, ...]) -> Any:
    return x if len(order) < 3 else ops.transpose(x, order)


def along(operand: Any, axis: int, rank: int, *, channels_last: bool) -> Any:
    """An operand with axes of size 1 added, so that it broadcasts as in Caffe.

    Args:
        operand: a tensor whose axes, in Caffe's order, lie along those of another.
        axis: which of Caffe's axes of the other its first axis lies along.
        rank: how many axes the other has; it is channels-last.
        channels_last: whether the operand is channels-last too, else as in Caffe.
    """
    count = len(operand.shape)
    places = [channels_last_axis(axis % rank + index, rank) for index in range(count)]
    order = sorted(range(count), key=places.__getitem__)
    if channels_last:
        order = [channels_last_axis(index, count) for index in order]
    if order != sorted(order):
        operand = ops.transpose(operand, order)
    missing = [place for place in range(rank) if place not in places]
    return ops.expand_dims(operand, missing) if missing else operand
