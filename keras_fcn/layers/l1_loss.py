"""L1Loss of NVIDIA's Caffe and of FlowNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._labels import flat
from keras_fcn.layers._loss import Measure


@keras.saving.register_keras_serializable(package="keras_fcn")
class L1Loss(Measure):
    """Sum of the magnitudes of the differences over N; both inputs get a gradient.

    Source: `l1_loss_layer.cpp` of github.com/NVIDIA/caffe.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        Two tensors (N, ...) with equally many elements, compared in Caffe's order.

    Output shape:
        ().
    """

    def call(self, inputs: Sequence[Any]) -> Any:
        """The loss of a pair."""
        first, second = inputs
        total = ops.sum(ops.abs(flat(first) - flat(second)))
        return total / ops.cast(ops.shape(first)[0], total.dtype)


@keras.saving.register_keras_serializable(package="keras_fcn")
class FlowL1Loss(Measure):
    """Magnitudes of differences, or their lengths at each place; what is no number is left out.

    Source: `l1loss_layer.cu` of github.com/lmb-freiburg/flownet2. The gradient of a
    magnitude is -1 where the difference is 0 and no plateau is given; so it is there.

    Args:
        l2_per_location: lengths over channels, sqrt(sum of squares + epsilon).
        l2_prescale_by_channels: divide the squares by the number of channels.
        normalize_by_num_entries: divide the sum by the number of differences that count,
            over the number of channels; else by N.
        epsilon: see `l2_per_location`.
        plateau: differences, or squares sums' roots, below it count as 0, without a
            gradient.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        One or two tensors (N, ..., C): differences, or what is subtracted. Both get a
        gradient.

    Output shape:
        ().
    """

    def __init__(
        self,
        l2_per_location: bool = False,
        l2_prescale_by_channels: bool = False,
        normalize_by_num_entries: bool = False,
        epsilon: float = 1e-2,
        plateau: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.l2_per_location = l2_per_location
        self.l2_prescale_by_channels = l2_prescale_by_channels
        self.normalize_by_num_entries = normalize_by_num_entries
        self.epsilon = epsilon
        self.plateau = plateau

    def call(self, inputs: Sequence[Any]) -> Any:
        """The loss of differences, or of a pair."""
        counts = ~ops.isnan(inputs[0])
        if len(inputs) > 1:
            counts = counts & ~ops.isnan(inputs[1])
        # First replaced, so that no gradient comes from what is no number.
        first, *second = (ops.where(counts, x, 0.0) for x in inputs)
        difference = first - second[0] if second else first
        sizes = ops.shape(difference)
        channels = sizes[-1] if len(sizes) > 1 else 1
        divisor = ops.cast(sizes[0], difference.dtype)
        if self.normalize_by_num_entries:
            divisor = ops.sum(ops.cast(counts, difference.dtype)) / channels
        if not self.l2_per_location:
            counts = counts & (ops.abs(ops.stop_gradient(difference)) >= self.plateau)
            signs = ops.where(difference > 0, 1.0, -1.0)
            return ops.sum(ops.where(counts, difference * signs, 0.0)) / divisor
        squares = ops.square(difference)
        if len(sizes) > 1:
            squares = ops.sum(squares, axis=-1)
        if self.l2_prescale_by_channels:
            squares = squares / channels
        if self.plateau > 0:
            squares = ops.where(squares < self.plateau * self.plateau, 0.0, squares)
        return ops.sum(ops.sqrt(squares + self.epsilon)) / divisor
