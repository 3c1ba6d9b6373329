"""R-FCN's choice of hard examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._axes import channels_first_shape, channels_last
from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._labels import flat

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class BoxAnnotatorOHEM(CaffeLayer):
    """Labels and weights of those regions of each image that have the largest losses.

    Of regions with the same loss the first count. No gradient passes.

    Source: `box_annotator_ohem_layer.cu` of daijifeng001/caffe-rfcn; Shrivastava et al.,
    "Training Region-based Object Detectors with Online Hard Example Mining".

    Args:
        roi_per_img: how many regions of an image count.
        ignore_label: the label of the others.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        [(N, 5), (N, 1), (N, 1), (N, C)]: regions (image, x1, y1, x2, y2), their losses,
        labels and weights; or maps of them, (N, H, W, 5) and so on.

    Output shape:
        (N, H, W, 1) and (N, H, W, C): labels, and weights, 0 for what does not count. H and
        W are 1 where there are no maps.
    """

    def __init__(self, roi_per_img: int, ignore_label: int = -1, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        self.roi_per_img = roi_per_img
        self.ignore_label = ignore_label

    def call(self, inputs: Sequence[Any]) -> tuple[Any, Any]:
        """Choose from (regions, losses, labels, weights)."""
        regions, losses, labels, weights = (
            ops.reshape(ops.stop_gradient(ops.cast(flat(x), "float32")), _sizes(ops.shape(x)))
            for x in inputs
        )
        images = ops.cast(ops.reshape(regions[:, 0], (-1,)), "int32")
        place = places_by_group(ops.reshape(losses, (-1,)), images)
        counts = ops.reshape(place < self.roi_per_img, ops.shape(labels))
        labels = ops.where(counts, labels, float(self.ignore_label))
        return channels_last(labels), channels_last(ops.where(counts, weights, 0.0))

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Any:
        """Shapes of labels and weights."""
        regions, _, _, weights = map(_sizes, input_shape)
        return [(regions[0], *regions[2:], channels) for channels in (1, weights[1])]


def places_by_group(values: Any, groups: Any) -> Any:
    """For each value how many of its group come before it, the largest and then the first first.

    Args:
        values: (M,).
        groups: (M,), integers.
    """
    by_value = ops.argsort(-values)
    order = ops.take(by_value, ops.argsort(ops.take(groups, by_value)))
    grouped = ops.take(groups, order)
    before = ops.cast(ops.searchsorted(grouped, grouped), "int32")
    places = ops.arange(ops.shape(values)[0], dtype="int32") - before
    return ops.take(places, ops.argsort(order))


def _sizes(shape: Sequence[Any]) -> tuple[Any, ...]:
    """(N, C, H, W) of a tensor with two axes, or with channels last."""
    return (*channels_first_shape(shape), 1, 1, 1)[:4]
