"""Caffe's Accuracy layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._axes import channels_last_axis
from keras_fcn.layers._labels import by_position, counted, flat_labels
from keras_fcn.layers._loss import Measure


@keras.saving.register_keras_serializable(package="keras_fcn")
class Accuracy(Measure):
    """Share of the labels that are among the `top_k` best classes; it has no gradient.

    A label is, if fewer than `top_k` other classes score at least as much as it does:
    ties count against it. Without any label that counts the share is 0.

    Source: Caffe's `accuracy_layer.cpp`.

    Args:
        top_k: number of best classes.
        axis: the classes' axis in Caffe's order: 1 is the last one here.
        ignore_label: positions with this label do not count.
        per_class: give the share of each class as a second output; 0 for classes that
            are no label.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        Two tensors: scores (N, ..., classes), and labels, one number a position, in any
        shape that Caffe's order reads alike.

    Output shape:
        (), and (classes,).
    """

    def __init__(
        self,
        top_k: int = 1,
        axis: int = 1,
        ignore_label: int | None = None,
        per_class: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.top_k = top_k
        self.axis = axis
        self.ignore_label = ignore_label
        self.per_class = per_class

    def call(self, inputs: Sequence[Any]) -> Any:
        """The accuracy of (scores, labels)."""
        scores, labels = by_position(inputs[0], self.axis), flat_labels(inputs[1])
        counts = counted(labels, self.ignore_label)
        labels = ops.where(counts, labels, 0)
        own = ops.take_along_axis(scores, labels[:, None], axis=1)
        others = ops.sum(ops.cast(scores >= own, "int32"), axis=1) - 1
        weight = ops.cast(counts, scores.dtype)
        right = weight * ops.cast(others < self.top_k, scores.dtype)
        share = _share(ops.sum(right), ops.sum(weight))
        if not self.per_class:
            return share
        classes = ops.shape(scores)[1]
        return share, _share(
            *(ops.segment_sum(x, labels, num_segments=classes) for x in (right, weight))
        )

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        """Shapes: a scalar, and (classes,)."""
        if not self.per_class:
            return ()
        rank = len(input_shape[0])
        return [(), (input_shape[0][channels_last_axis(self.axis % rank, rank)],)]


def _share(part: Any, whole: Any) -> Any:
    return part / ops.maximum(whole, 1.0)
