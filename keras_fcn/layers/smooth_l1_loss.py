"""Smooth L1 losses of Fast R-CNN, SSD and R-FCN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._axes import channels_first_shape, channels_last
from keras_fcn.layers._labels import flat
from keras_fcn.layers._loss import Measure, NormalizedLoss, straight_through

Shape = tuple[int | None, ...]


def smooth_l1(differences: Any, sigma: float = 1.0) -> Any:
    """(sigma * d)^2 / 2 of small differences d, abs(d) - 1 / (2 sigma^2) of large ones."""
    square, sizes = sigma * sigma, ops.abs(differences)
    small = 0.5 * square * differences * differences
    return ops.where(sizes < 1 / square, small, sizes - 0.5 / square)


@keras.saving.register_keras_serializable(package="keras_fcn")
class SmoothL1Loss(Measure):
    """Squares of small differences and magnitudes of large ones, summed and divided by N.

    Sources: `smooth_L1_loss_layer.cu` of rbgirshick/caffe-fast-rcnn (two or four inputs)
    and of weiliu89/caffe, branch ssd (two or three). The latter's gradient, unlike its
    loss, leaves the weights out.

    Args:
        sigma: a difference is small below 1 / sigma^2.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        Two to four tensors (N, ...) with equally many elements, compared in Caffe's order:
        predictions, targets, weights of the differences, weights of the losses. The first
        two get a gradient.

    Output shape:
        ().

    Raises:
        ValueError: sigma is 0.
    """

    def __init__(self, sigma: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if sigma == 0:
            raise ValueError(f"sigma must not be 0. Received: {sigma=}")
        self.sigma = sigma

    def call(self, inputs: Sequence[Any]) -> Any:
        """The loss of (predictions, targets, and weights)."""
        predictions, targets, *weights = map(flat, inputs)
        inside, *outside = map(ops.stop_gradient, weights or [ops.ones_like(targets)])
        differences = predictions - targets
        weighted = inside * differences
        if not outside:
            weighted = straight_through(differences, weighted)
        losses = smooth_l1(weighted, self.sigma)
        total = ops.sum(losses * outside[0] if outside else losses)
        return total / ops.cast(ops.shape(inputs[0])[0], total.dtype)


@keras.saving.register_keras_serializable(package="keras_fcn")
class SmoothL1LossOHEM(NormalizedLoss):
    """Smooth L1 loss with that of each region as a second output, for hard example mining.

    The gradient leaves the weights out, and none comes from the second output.

    Source: `smooth_L1_loss_ohem_layer.cu` of daijifeng001/caffe-rfcn.

    Args:
        by_region: give the losses of the regions as well.
        **kwargs: `normalization` as in `SoftmaxWithLoss`, regions being the
            positions, and arguments of `keras.layers.Layer`.

    Input shape:
        Two or three tensors (N, ..., C) with equally many elements: predictions, targets,
        weights of the differences.

    Output shape:
        (), and (N, H, W, 1); H and W are 1 where there are no maps.
    """

    def __init__(self, by_region: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.by_region = by_region

    def call(self, inputs: Sequence[Any]) -> Any:
        """The loss of (predictions, targets, and weights)."""
        predictions, targets, *weights = map(flat, inputs)
        differences = predictions - targets
        if weights:
            weighted = ops.stop_gradient(weights[0]) * differences
            differences = straight_through(differences, weighted)
        sizes = (*channels_first_shape(ops.shape(inputs[0])), 1, 1, 1)[:4]
        losses = ops.reshape(smooth_l1(differences), sizes)
        regions = sizes[0] * sizes[2] * sizes[3]
        loss = ops.sum(losses) / self.divisor(regions, regions, sizes[0], losses.dtype)
        if not self.by_region:
            return loss
        return loss, ops.stop_gradient(channels_last(ops.sum(losses, axis=1, keepdims=True)))

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Any:
        """Shapes: a scalar, and the regions' losses."""
        images, _, *sizes = (*channels_first_shape(input_shape[0]), 1, 1, 1)[:4]
        return [(), (images, *sizes, 1)] if self.by_region else ()
