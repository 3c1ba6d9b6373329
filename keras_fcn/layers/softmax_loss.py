"""Caffe's losses of class probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._axes import channels_first_shape, channels_last, channels_last_axis
from keras_fcn.layers._labels import by_position, counted, flat, flat_labels, size_before, vectors
from keras_fcn.layers._loss import Measure, NormalizedLoss, at_least

_SMALLEST = math.log(1.17549435e-38)  # FLT_MIN
_THRESHOLD = 1e-20  # kLOG_THRESHOLD


def softmax_losses(scores: Any, labels: Any) -> Any:
    """-log of each label's probability, at most 87.34, which the gradient does not see.

    Args:
        scores: (M, classes).
        labels: (M,), integers.
    """
    losses = ops.sparse_categorical_crossentropy(labels, scores, from_logits=True)
    return -at_least(-losses, _SMALLEST)


def _softmax(scores: Any, axis: int) -> Any:
    """The softmax along a Caffe axis."""
    rank = len(scores.shape)
    return ops.softmax(scores, channels_last_axis(axis % rank, rank))


@keras.saving.register_keras_serializable(package="keras_fcn")
class SoftmaxWithLoss(NormalizedLoss):
    """Cross entropy of the labels and a softmax along one axis.

    Each position costs -log of its label's probability, at most 87.34: Caffe lets no
    probability be below FLT_MIN. The gradient does not see that limit.

    Source: Caffe's `softmax_loss_layer.cpp`.

    Args:
        axis: the classes' axis in Caffe's order: 1 is the last one here.
        ignore_label: positions with this label do not count.
        normalization: what the sum is divided by, at least 1: `"full"` positions,
            `"valid"` positions that count, `"batch_size"`, all that lies before
            `axis` in Caffe's order, `"none"`, or, as in R-FCN's Caffe,
            `"pre_fixed"`, by `pre_fixed_normalizer`.
        class_weighting: a factor for the losses of each class, as in SegNet's Caffe. The
            divisor does not see them.
        outputs: how many of the three outputs to give; no gradient comes from the second
            and third. The third is R-FCN's, `softmax_loss_ohem_layer.cu` of
            daijifeng001/caffe-rfcn.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        Two tensors: scores (N, ..., classes), and labels, one number a position, in any
        shape that Caffe's order reads alike.

    Output shape:
        (); then that of the scores: the softmax; then that of the labels: the loss of each
        position, 0 where it does not count.

    Raises:
        ValueError: an unknown normalization, or no output.
    """

    def __init__(
        self,
        axis: int = 1,
        class_weighting: Sequence[float] = (),
        outputs: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 1 <= outputs <= 3:
            raise ValueError(f"outputs must be 1, 2 or 3. Received: {outputs=}")
        self.axis = axis
        self.class_weighting = tuple(class_weighting)
        self.outputs = outputs

    def call(self, inputs: Sequence[Any]) -> Any:
        """The loss of (scores, labels)."""
        scores, labels = inputs[0], flat_labels(inputs[1])
        counts = counted(labels, self.ignore_label)
        known = ops.where(counts, labels, 0)
        losses = softmax_losses(by_position(scores, self.axis), known)
        if self.class_weighting:
            losses = losses * ops.take(
                ops.convert_to_tensor(self.class_weighting, losses.dtype), known
            )
        loss = self.normalized(losses, labels, size_before(scores, self.axis))
        if self.outputs == 1:
            return loss
        each = ops.where(counts, losses, 0.0)
        each = channels_last(ops.reshape(each, channels_first_shape(ops.shape(inputs[1]))))
        tops = (loss, *map(ops.stop_gradient, (_softmax(scores, self.axis), each)))
        return tops[: self.outputs]

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        """Shapes: a scalar, the scores, the labels."""
        shapes = [(), tuple(input_shape[0]), tuple(input_shape[1])]
        return shapes[: self.outputs] if self.outputs > 1 else ()


@keras.saving.register_keras_serializable(package="keras_fcn")
class InfogainLoss(NormalizedLoss):
    """Cross entropy in which each label demands its own mixture of classes.

    A position with label l costs -sum over classes k of H[l, k] * log p[k], where p is
    the softmax, at least 1e-20 (which the gradient does not see). H gets no gradient, nor
    does one come from the probabilities.

    Source: Caffe's `infogain_loss_layer.cpp`.

    Args:
        infogain: the matrix H as rows of numbers; None: it is the third input.
        axis: the classes' axis in Caffe's order: 1 is the last one here.
        with_probabilities: give the softmax as a second output.
        **kwargs: `ignore_label` and `normalization` as in `SoftmaxWithLoss`,
            and arguments of `keras.layers.Layer`.

    Input shape:
        Scores and labels as in `SoftmaxWithLoss`, and H with classes * classes
        numbers.

    Output shape:
        (), and the scores' shape.
    """

    def __init__(
        self,
        infogain: Sequence[Sequence[float]] | None = None,
        axis: int = 1,
        with_probabilities: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.infogain = infogain
        self.axis = axis
        self.with_probabilities = with_probabilities

    def call(self, inputs: Sequence[Any]) -> Any:
        """The loss of (scores, labels) or (scores, labels, H)."""
        scores, labels = inputs[0], flat_labels(inputs[1])
        logs = ops.log_softmax(by_position(scores, self.axis))
        given = inputs[2] if self.infogain is None else self.infogain
        matrix = ops.stop_gradient(ops.convert_to_tensor(given, logs.dtype))
        classes = ops.shape(logs)[-1]
        known = ops.where(counted(labels, self.ignore_label), labels, 0)
        demanded = ops.take(ops.reshape(flat(matrix), (classes, classes)), known, axis=0)
        losses = -ops.sum(demanded * at_least(logs, math.log(_THRESHOLD)), axis=-1)
        loss = self.normalized(losses, labels, size_before(scores, self.axis))
        if not self.with_probabilities:
            return loss
        return loss, ops.stop_gradient(_softmax(scores, self.axis))

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        """Shapes: a scalar, and the scores."""
        return [(), tuple(input_shape[0])] if self.with_probabilities else ()


@keras.saving.register_keras_serializable(package="keras_fcn")
class MultinomialLogisticLoss(Measure):
    """Mean of -log of the label's probability, for predictions that are probabilities.

    Probabilities below 1e-20 count as 1e-20, with the gradient there.

    Source: Caffe's `multinomial_logistic_loss_layer.cpp`.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        Two tensors: probabilities (N, ...), all elements of an image being classes, in
        Caffe's order, and labels, one an image.

    Output shape:
        ().
    """

    def call(self, inputs: Sequence[Any]) -> Any:
        """The loss of (probabilities, labels)."""
        probabilities, labels = vectors(inputs[0]), flat_labels(inputs[1])
        found = ops.take_along_axis(probabilities, labels[:, None], axis=1)
        return -ops.mean(ops.log(at_least(found, _THRESHOLD)))
