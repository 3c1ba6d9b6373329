"""Maps cut to the smallest of their sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class CommonSize(CaffeLayer):
    """Cuts rows and columns off behind, until all maps are as large as the smallest.

    What lets maps be joined after `keras_fcn.with_output_stride`, where pooling windows
    that reach past the end give positions that the other maps lack.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        A list of (N, H, W, C), each of its own H, W and C.

    Output shape:
        The same list, of the smallest H and W.
    """

    def call(self, inputs: Sequence[Any]) -> list[Any]:
        """Cut each map."""
        sizes = [ops.shape(x)[1:3] for x in inputs]
        height, width = (_smallest(axis) for axis in zip(*sizes, strict=True))
        return [x[:, :height, :width] for x in inputs]

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> list[Shape]:
        """The smallest height and width; None where one is not known."""
        height, width = (
            None if None in axis else min(axis)
            for axis in zip(*(shape[1:3] for shape in input_shape), strict=True)
        )
        return [(shape[0], height, width, *shape[3:]) for shape in input_shape]


def _smallest(sizes: Sequence[Any]) -> Any:
    if all(isinstance(size, int) for size in sizes):
        return min(sizes)
    smallest = sizes[0]
    for size in sizes[1:]:
        smallest = ops.minimum(smallest, size)
    return smallest
