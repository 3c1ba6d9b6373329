"""Greedy decoding of connectionist temporal classification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._axes import channels_first, channels_first_shape
from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class CTCDecoder(CaffeLayer):
    """The likeliest label of each step, without blanks and repeats; then -1.

    A sequence ends before the first step, but the very first, whose indicator is 0. No
    gradient passes.

    Sources: `ctc_decoder_layer.cpp` of hzli-ucas/caffe and of
    openvinotoolkit/training_toolbox_caffe.

    Args:
        blank_index: label that stands for none; negative ones count from the last.
        merge_repeated: whether a label that follows itself counts once.
        collapse: whether blanks and repeats are left out at all; else every step gives its
            label.
        axes: axes of the images and of the labels, in Caffe's order; the steps are along
            what is left.
        steps_first: whether the steps come before the images in the output.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        Scores, three or four axes, channels-last; or a list of these and indicators (T, N).

    Output shape:
        Labels (N, 1, 1, T), or (T, 1, 1, N) with `steps_first`; and minus the sum of the
        likeliest labels' scores, (N, 1, 1, 1). As float32.
    """

    def __init__(
        self,
        blank_index: int = -1,
        merge_repeated: bool = True,
        collapse: bool = True,
        axes: Sequence[int] = (1, 2),
        steps_first: bool = False,
        **kwargs: Any,
    ) -> None:
        # Half precision counts labels to 2048 only.
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        self.blank_index = blank_index
        self.merge_repeated = merge_repeated
        self.collapse = collapse
        self.axes = tuple(axes)
        self.steps_first = steps_first

    def call(self, inputs: Any) -> tuple[Any, Any]:
        """Decode scores."""
        scores, *indicators = inputs if isinstance(inputs, list | tuple) else [inputs]
        scores = channels_first(ops.stop_gradient(ops.cast(scores, "float32")))
        steps = [axis for axis in range(len(scores.shape)) if axis not in self.axes]
        scores = ops.transpose(scores, (self.axes[0], *steps, self.axes[1]))
        shape = ops.shape(scores)
        count, labels = shape[0], shape[-1]
        length = shape[1] if len(steps) == 1 else shape[1] * shape[2]
        scores = ops.reshape(scores, (count, length, labels))
        best = ops.cast(ops.argmax(scores, axis=-1), "int32")
        lasts = ops.ones_like(best)
        if indicators:
            going_on = ops.cast(ops.not_equal(ops.transpose(indicators[0]), 0), "int32")
            going_on = ops.concatenate([lasts[:, :1], going_on[:, 1:]], axis=1)
            lasts = ops.cumprod(going_on, axis=1)
        lasts = ops.cast(lasts, "bool")
        sums = -ops.sum(ops.where(lasts, ops.max(scores, axis=-1), 0.0), axis=-1)
        decoded = ops.cast(self._collapsed(best, lasts, labels, length), "float32")
        if self.steps_first:
            decoded = ops.transpose(decoded)
        return ops.expand_dims(decoded, (1, 2)), ops.reshape(sums, (-1, 1, 1, 1))

    def _collapsed(self, best: Any, lasts: Any, labels: Any, length: Any) -> Any:
        """Labels (N, T) that count moved to the front, and -1 behind them."""
        kept = lasts
        if self.collapse:
            blank = self.blank_index + labels if self.blank_index < 0 else self.blank_index
            kept = kept & ops.not_equal(best, blank)
            if self.merge_repeated:
                before = ops.concatenate([-ops.ones_like(best[:, :1]), best[:, :-1]], axis=1)
                kept = kept & ops.not_equal(best, before)
        places = ops.arange(length, dtype="int32")
        order = ops.argsort(ops.where(kept, places, places + length), axis=1)
        moved = ops.take_along_axis(best, ops.cast(order, "int32"), axis=1)
        number = ops.sum(ops.cast(kept, "int32"), axis=1, keepdims=True)
        return ops.where(places < number, moved, -1)

    def compute_output_shape(self, input_shape: Any) -> tuple[Shape, Shape]:
        """See the class."""
        several = isinstance(input_shape[0], list | tuple)
        shape = channels_first_shape(input_shape[0] if several else input_shape)
        count = shape[self.axes[0]]
        sizes = [size for axis, size in enumerate(shape) if axis not in self.axes]
        known = [size for size in sizes if size is not None]
        length = max(known) if len(known) == len(sizes) else None
        order = (length, count) if self.steps_first else (count, length)
        return (order[0], 1, 1, order[1]), (count, 1, 1, 1)
