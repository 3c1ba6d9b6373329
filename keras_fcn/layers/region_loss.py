"""YOLO v2's training loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._boxes import centred_overlaps
from keras_fcn.layers._labels import vectors
from keras_fcn.layers._loss import Measure, straight_through

_WARM = 12800  # images for which predictions are drawn to the anchors
_PULL = 0.01

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class RegionLoss(Measure):
    """Boxes, objectness and classes of a map against the objects of each image.

    As in darknet the error of each number is its gradient, and the loss is the sum of
    their squares over N. While the layer has seen less than 12,800 images, all boxes are
    drawn to their anchors; see `reset_state`. Of objects with the same box the last
    counts.

    Source: `region_loss_layer.cpp` of github.com/eric612/MobileNet-YOLO.

    Args:
        anchors: (width, height) pairs in positions, one for each box of a position.
        num_class: how many classes there are.
        bias_match: give an object to the box of its position whose anchor, else whose
            prediction, has its size.
        rescore: objectness is to be the overlap with the object; else 1, and the errors of
            a box grow by 2 - its area.
        object_scale: factor of the errors of objectness where there is an object.
        class_scale: factor of the classes' errors.
        noobject_scale: factor of the errors of objectness elsewhere.
        coord_scale: factor of the boxes' errors.
        thresh: boxes that overlap an object by more need not be empty.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        [(N, S, S, boxes * (5 + num_class)), (N, ..., 5)]: for each box x, y, width, height,
        objectness, classes; and rows (class, x, y, width, height) in parts of the image,
        of which those after the first without an x do not count.

    Output shape:
        ().
    """

    def __init__(
        self,
        anchors: Sequence[Sequence[float]],
        num_class: int = 20,
        bias_match: bool = True,
        rescore: bool = True,
        object_scale: float = 1.0,
        class_scale: float = 1.0,
        noobject_scale: float = 0.5,
        coord_scale: float = 5.0,
        thresh: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.anchors = [[float(side) for side in pair] for pair in anchors]
        self.num_class = num_class
        self.bias_match = bias_match
        self.rescore = rescore
        self.object_scale = object_scale
        self.class_scale = class_scale
        self.noobject_scale = noobject_scale
        self.coord_scale = coord_scale
        self.thresh = thresh

    def build(self, input_shape: Sequence[Shape]) -> None:
        """Make the counter of calls."""
        self._calls = self.add_weight(
            name="calls", shape=(), dtype="int32", initializer="zeros", trainable=False
        )

    @property
    def weights(self) -> list[Any]:
        """None; the counter is among the `variables` only, as seeds are."""
        return []

    def reset_state(self) -> None:
        """Let the next call be the first."""
        self._calls.assign(ops.zeros_like(self._calls))

    def call(self, inputs: Sequence[Any]) -> Any:
        """The loss of (map, objects)."""
        images, height, width, _ = ops.shape(inputs[0])
        count, numbers = len(self.anchors), 5 + self.num_class
        x = ops.reshape(inputs[0], (images, height * width * count, numbers))
        objects = ops.reshape(vectors(inputs[1]), (images, -1, 5))
        errors = self._errors(ops.stop_gradient(x), ops.stop_gradient(objects), height, width)
        self._calls.assign(self._calls + 1)
        number = ops.cast(images, x.dtype)
        loss = ops.sum(ops.square(errors)) / number
        return straight_through(ops.sum(x * errors) / number, loss)

    def _errors(self, x: Any, objects: Any, height: Any, width: Any) -> Any:
        """The gradient of each number of the map, (images, boxes, numbers)."""
        images, boxes, _ = ops.shape(x)
        count = len(self.anchors)
        place = ops.arange(boxes, dtype="int32")
        cell = place // count
        corner = ops.stack([cell % width, cell // width], axis=-1)
        anchors = ops.convert_to_tensor(self.anchors, x.dtype)
        own = ops.take(anchors, place % count, axis=0)
        sides = ops.cast(ops.stack([width, height]), x.dtype)
        middle = ops.sigmoid(x[..., :2])
        predicted = ops.concatenate(
            [(middle + ops.cast(corner, x.dtype)) / sides, ops.exp(x[..., 2:4]) * own / sides],
            axis=-1,
        )
        active = ops.sigmoid(x[..., 4:5])
        shares = ops.softmax(x[..., 5:], axis=-1)

        # Where there is no object.
        label, true = ops.cast(objects[..., 0], "int32"), objects[..., 1:]
        listed = ops.cumsum(ops.cast(true[..., 0] == 0, "int32"), axis=1) == 0
        shared = centred_overlaps(predicted[:, :, None], true[:, None])
        shared = ops.where(listed[:, None], shared, 0.0)
        near = ops.max(shared, axis=2, initial=0.0)[..., None] > self.thresh
        empty = self.noobject_scale * active * active * (1 - active)
        empty = ops.where(near, 0.0, empty)
        warm = ops.cast(self._calls < _WARM // images, x.dtype) * _PULL
        drawn = [(middle - 0.5) * middle * (1 - middle) * warm, x[..., 2:4] * warm]
        errors = ops.concatenate([*drawn, empty, ops.zeros_like(shares)], axis=-1)

        # Where there is one.
        there = ops.cumsum(ops.cast(true[..., 2] == 0, "int32"), axis=1) == 0
        corner = ops.cast(true[..., :2] * sides, "int32")
        corner = ops.clip(corner, 0, ops.stack([width, height]) - 1)
        first = (corner[..., 1] * width + corner[..., 0]) * count
        sizes = anchors / sides
        if not self.bias_match:
            at = first[..., None] + ops.arange(count, dtype="int32")
            flat_sizes = ops.reshape(predicted[..., 2:], (images * boxes, 2))
            at = at + boxes * ops.arange(images, dtype="int32")[:, None, None]
            sizes = ops.take(flat_sizes, at, axis=0)
        still = ops.concatenate([ops.zeros_like(sizes), sizes], axis=-1)
        alone = ops.concatenate([ops.zeros_like(true[..., :2]), true[..., 2:]], axis=-1)
        best = ops.cast(ops.argmax(centred_overlaps(still, alone[:, :, None]), axis=2), "int32")
        at = first + best
        taken, middle, active, shares, predicted = (
            ops.take_along_axis(values, at[..., None], axis=1)
            for values in (x, middle, active, shares, predicted)
        )
        scale = self.coord_scale
        if not self.rescore:
            scale = scale * (2 - true[..., 2:3] * true[..., 3:4])
        target = true[..., :2] * sides - ops.cast(corner, x.dtype)
        size = ops.log(true[..., 2:] * sides / ops.take(anchors, best, axis=0))
        wanted = centred_overlaps(predicted, true)[..., None] if self.rescore else 1.0
        classes = ops.arange(self.num_class, dtype="int32") == label[..., None]
        new = ops.concatenate(
            [
                scale * (middle - target) * middle * (1 - middle),
                scale * (taken[..., 2:4] - size),
                self.object_scale * (active - wanted) * active * (1 - active),
                self.class_scale * (shares - ops.cast(classes, x.dtype)),
            ],
            axis=-1,
        )
        return self._replaced(errors, new, at, there)

    def _replaced(self, errors: Any, new: Any, place: Any, there: Any) -> Any:
        """Errors with new ones in some positions, the last of several."""
        images, boxes, numbers = ops.shape(errors)
        rows = ops.arange(ops.shape(place)[1], dtype="int32")
        later = (place[:, :, None] == place[:, None]) & there[:, None] & (rows[:, None] < rows)
        last = there & ~ops.any(later, axis=2)
        place = place + boxes * ops.arange(images, dtype="int32")[:, None]
        indices = ops.reshape(place, (-1, 1))
        values = ops.where(last[..., None], new, 0.0)
        shape = (images * boxes, numbers)
        values = ops.scatter(indices, ops.reshape(values, (-1, numbers)), shape)
        chosen = ops.scatter(indices, ops.reshape(ops.cast(last, "int32"), (-1,)), shape[:1])
        flat = ops.reshape(errors, shape)
        return ops.reshape(ops.where(chosen[:, None] > 0, values, flat), ops.shape(errors))
