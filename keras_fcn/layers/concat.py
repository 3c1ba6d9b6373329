"""Caffe's Slice and Tile layers; its Concat is Keras' Concatenate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._axes import channels_last_axis
from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class Slice(CaffeLayer):
    """Cuts a tensor along an axis.

    Source: Caffe's `slice_layer.cpp`.

    Args:
        parts: how many equal parts, or the places of the cuts, which increase.
        axis: the axis, counted in Caffe's order (N, C, ...).
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C), any rank.

    Output shape:
        A list: the input's shape for each part, with its size along the axis.
    """

    def __init__(self, parts: int | Sequence[int], axis: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parts = tuple(parts) if isinstance(parts, Sequence) else parts
        self.axis = axis

    def call(self, inputs: Any) -> list[Any]:
        """The parts of a tensor."""
        axis = _keras_axis(self.axis, inputs.shape)
        if isinstance(self.parts, int):
            return list(ops.split(inputs, self.parts, axis))
        before = (slice(None),) * axis
        ends = zip((0, *self.parts), (*self.parts, None), strict=True)
        return [inputs[(*before, slice(*pair))] for pair in ends]

    def compute_output_shape(self, input_shape: Shape) -> list[Shape]:
        """A shape for each part."""
        axis = _keras_axis(self.axis, input_shape)
        whole = input_shape[axis]
        sizes: list[int | None]
        if isinstance(self.parts, int):
            sizes = [None if whole is None else whole // self.parts] * self.parts
        else:
            starts = (0, *self.parts)
            sizes = [end - start for start, end in zip(starts, self.parts, strict=False)]
            sizes.append(None if whole is None else whole - starts[-1])
        return [(*input_shape[:axis], size, *input_shape[axis + 1 :]) for size in sizes]


@keras.saving.register_keras_serializable(package="keras_fcn")
class Tile(CaffeLayer):
    """Repeats a tensor along an axis.

    Source: Caffe's `tile_layer.cpp`.

    Args:
        tiles: how many times.
        axis: the axis, counted in Caffe's order (N, C, ...).
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, ..., C), any rank.

    Output shape:
        The input's, `tiles` times as long along the axis.
    """

    def __init__(self, tiles: int, axis: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tiles = tiles
        self.axis = axis

    def call(self, inputs: Any) -> Any:
        """Repeat a tensor."""
        repeats = [1] * len(inputs.shape)
        repeats[_keras_axis(self.axis, inputs.shape)] = self.tiles
        return ops.tile(inputs, repeats)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The repeated shape."""
        axis = _keras_axis(self.axis, input_shape)
        size = input_shape[axis]
        size = None if size is None else size * self.tiles
        return (*input_shape[:axis], size, *input_shape[axis + 1 :])


def _keras_axis(axis: int, shape: Sequence[Any]) -> int:
    return channels_last_axis(axis % len(shape), len(shape))
