"""FlowNet's Accum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.caffe.layers import flow
from keras_fcn.layers._interpolation import positions, resampled, tents
from keras_fcn.layers._rescaled import Rescaled


@keras.saving.register_keras_serializable(package="keras_fcn")
class Accum(Rescaled):
    """Maps resized to one size, corners on corners, and put side by side.

    Source: `accum_layer.cpp` of lmb-freiburg/flownet2.

    Args:
        size: least height and width of the output; both must be larger than the largest
            of the inputs', or neither counts.
        size_divisible_by: ask for the next multiple of this instead; 0: for none.
        have_reference: the last input only gives the size.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        A list of (N, H, W, C) in different sizes.

    Output shape:
        (N, H', W', sum of C).
    """

    def __init__(
        self,
        size: Sequence[int] = (0, 0),
        size_divisible_by: int = 0,
        have_reference: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = tuple(size)
        self.size_divisible_by = size_divisible_by
        self.have_reference = have_reference

    def _rule(self) -> flow.Accum:
        return flow.Accum(
            top_height=self.size[0],
            top_width=self.size[1],
            size_divisible_by=self.size_divisible_by,
            have_reference=self.have_reference,
        )

    def call(self, inputs: Sequence[Any]) -> Any:
        """Resize and concatenate."""
        maps = inputs[: len(inputs) - self.have_reference]
        after = self._top_size([ops.shape(x)[1:3] for x in inputs])
        resized = []
        for x in maps:
            before = ops.shape(x)[1:3]
            rows, columns = (
                tents(_on_corners(new, old), old) for old, new in zip(before, after, strict=True)
            )
            resized.append(resampled(x, rows, columns))
        return ops.concatenate(resized, axis=-1)

    def _top_size(self, sizes: list[Any]) -> Any:
        if all(isinstance(size, int) for pair in sizes for size in pair):
            return self._rule().size(sizes)
        if self.have_reference:
            return sizes[-1]
        largest = [ops.max(ops.stack(axis)) for axis in zip(*sizes, strict=True)]
        step = self.size_divisible_by
        wanted = [-(-size // step) * step for size in largest] if step else list(self.size)
        larger = (wanted[0] > largest[0]) & (wanted[1] > largest[1])
        return [ops.where(larger, *pair) for pair in zip(wanted, largest, strict=True)]


def _on_corners(new: Any, old: Any) -> Any:
    """Places of `new` cells over `old` ones, first on first and last on last."""
    new, last = positions(new), ops.cast(old, "float32") - 1.0
    return new / ops.maximum(ops.max(new), 1.0) * last
