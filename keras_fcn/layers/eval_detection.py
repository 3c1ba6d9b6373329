"""The scoring of YOLO v1's and v2's Caffe versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._boxes import centred_overlaps, suppress_centred
from keras_fcn.layers._labels import vectors

Shape = tuple[int | None, ...]
_LEAST = 0.005  # score below which v2's source drops a prediction


@keras.saving.register_keras_serializable(package="keras_fcn")
class EvalDetection(CaffeLayer):
    """Right predictions of YOLO. No gradient passes.

    Sources: `eval_detection_layer.cpp` of github.com/hojel/caffe (v1, no anchors) and of
    github.com/choasup/caffe-yolo9000 (v2, anchors). In the latter predictions that overlap
    no true box enough are not wrong, ones with scores below 0.005 are left out, and there
    are none at all without suppression.

    Args:
        side: positions along a side of the map.
        num_class: how many classes there are.
        num_object: predictions of a position.
        threshold: overlap (intersection over union) from which on a prediction is right.
        score_type: `"OBJ"`: objectness, `"PROB"`: the class's probability,
            `"MULTIPLY"`: their product.
        nms: overlap from which on the worse of two predictions is dropped; below 0: none.
        sqrt: widths and heights are predicted as square roots (v1).
        constriant: middles are predicted relative to their positions (v1).
        anchors: (width, height) pairs in positions (v2); empty: v1.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        v1: (N, side^2 * (num_class + 5 * num_object)): in Caffe's order, positions last:
        classes, objectness, boxes (x, y, width, height); and (N, side^2 * 7): difficult,
        whether there is an object, class, and then its box for each position.
        v2: (N, side, side, num_object * (5 + num_class)); and (N, 150): class and box for
        30 objects, the first without an x being the last.

    Output shape:
        (N, num_class + 4 * predictions): how many objects of each class there are; then
        (class, score, right, wrong) for each prediction, by class, the best first, zeros
        for those that were dropped.
    """

    def __init__(
        self,
        side: int = 7,
        num_class: int = 20,
        num_object: int = 2,
        threshold: float = 0.5,
        score_type: str = "MULTIPLY",
        nms: float = -1.0,
        sqrt: bool = True,
        constriant: bool = True,
        anchors: Sequence[Sequence[float]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        self.side = side
        self.num_class = num_class
        self.num_object = num_object
        self.threshold = threshold
        self.score_type = score_type
        self.nms = nms
        self.sqrt = sqrt
        self.constriant = constriant
        self.anchors = [[float(size) for size in pair] for pair in anchors]

    def call(self, inputs: Sequence[Any]) -> Any:
        """Judge (predictions, objects)."""
        predictions, objects = (ops.stop_gradient(ops.cast(x, "float32")) for x in inputs)
        objects = vectors(objects)
        if self.anchors:
            labels, scores, boxes = self._anchored(predictions)
            true = self._listed_objects(objects)
        else:
            labels, scores, boxes = self._plain(vectors(predictions))
            true = self._objects_of_cells(objects)
        order = ops.argsort(-scores, axis=1)
        boxes = ops.take_along_axis(boxes, order[:, :, None], axis=1)
        labels, scores = (ops.take_along_axis(x, order, axis=1) for x in (labels, scores))
        kept = ops.ones_like(labels, "bool")
        if self.nms >= 0:
            kept = suppress_centred(boxes, self.nms)
        if self.anchors:
            kept = kept & (scores >= _LEAST) if self.nms >= 0 else ops.zeros_like(kept)
        right, wrong = self._judged(labels, boxes, kept, *true)
        columns = (labels, scores, right, wrong)
        rows = ops.stack([ops.cast(column, "float32") for column in columns], axis=-1)
        rows = ops.where(kept[..., None], rows, 0.0)
        by_class = ops.argsort(ops.where(kept, labels, self.num_class), axis=1)
        rows = ops.take_along_axis(rows, by_class[:, :, None], axis=1)
        return ops.concatenate([self._classes(*true), _joined(rows)], axis=1)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """(N, numbers)."""
        return (input_shape[0][0], self.num_class + 4 * self.side**2 * self.num_object)

    def _scores(self, objectness: Any, shares: Any) -> Any:
        return {"OBJ": objectness, "PROB": shares, "MULTIPLY": objectness * shares}[self.score_type]

    def _cells(self) -> tuple[Any, Any]:
        """Column and row of each position, (positions, 1)."""
        cells = ops.reshape(ops.arange(self.side**2, dtype="int32"), (-1, 1))
        return tuple(ops.cast(x, "float32") for x in (cells % self.side, cells // self.side))

    def _plain(self, x: Any) -> tuple[Any, Any, Any]:
        """v1's predictions, position by position: classes, scores, boxes."""
        cells, count = self.side**2, self.num_object
        x = ops.reshape(x, (-1, self.num_class + 5 * count, cells))
        x = ops.transpose(x, (0, 2, 1))
        classes, objectness, boxes = ops.split(x, [self.num_class, self.num_class + count], axis=2)
        best = ops.cast(ops.argmax(classes, axis=2), "int32")[..., None]
        labels = ops.broadcast_to(best, ops.shape(objectness))
        scores = self._scores(objectness, ops.max(classes, axis=2, keepdims=True) + 0 * objectness)
        boxes = ops.reshape(boxes, (-1, cells, count, 4))
        x, y, width, height = (boxes[..., index] for index in range(4))
        if self.constriant:
            column, row = self._cells()
            x, y = (x + column) / self.side, (y + row) / self.side
        if self.sqrt:
            width, height = ops.square(width), ops.square(height)
        boxes = ops.stack([x, y, width, height], axis=-1)
        return (
            ops.reshape(labels, (-1, cells * count)),
            ops.reshape(scores, (-1, cells * count)),
            ops.reshape(boxes, (-1, cells * count, 4)),
        )

    def _anchored(self, x: Any) -> tuple[Any, Any, Any]:
        """v2's predictions, position by position: classes, scores, boxes."""
        cells, count = self.side**2, self.num_object
        x = ops.reshape(x, (-1, cells, count, 5 + self.num_class))
        middle, size, objectness, classes = ops.split(x, [2, 4, 5], axis=-1)
        shares = ops.softmax(classes, axis=-1)
        labels = ops.cast(ops.argmax(shares, axis=-1), "int32")
        scores = self._scores(ops.sigmoid(objectness[..., 0]), ops.max(shares, axis=-1))
        corners = ops.stack(self._cells(), axis=-1)
        middle = (ops.sigmoid(middle) + corners) / self.side
        size = ops.exp(size) * ops.convert_to_tensor(self.anchors, "float32") / self.side
        boxes = ops.concatenate([middle, size], axis=-1)
        return (
            ops.reshape(labels, (-1, cells * count)),
            ops.reshape(scores, (-1, cells * count)),
            ops.reshape(boxes, (-1, cells * count, 4)),
        )

    def _objects_of_cells(self, x: Any) -> tuple[Any, Any, Any, Any]:
        """v1's objects: classes, boxes, which there are, and which are difficult."""
        cells = self.side**2
        difficult, there, labels, boxes = ops.split(x, [cells, 2 * cells, 3 * cells], axis=1)
        boxes = ops.reshape(boxes, (-1, cells, 4))
        return ops.cast(labels, "int32"), boxes, there != 0, difficult == 1

    def _listed_objects(self, x: Any) -> tuple[Any, Any, Any, Any]:
        """v2's objects."""
        x = ops.reshape(x, (ops.shape(x)[0], -1, 5))
        there = ops.cumsum(ops.cast(x[..., 1] == 0, "int32"), axis=1) == 0
        return ops.cast(x[..., 0], "int32"), x[..., 1:], there, ops.zeros_like(there)

    def _classes(self, labels: Any, boxes: Any, there: Any, difficult: Any) -> Any:
        """(N, classes): how many objects count."""
        counts = (there & ~difficult)[..., None]
        own = labels[..., None] == ops.arange(self.num_class, dtype="int32")
        return ops.sum(ops.cast(own & counts, "float32"), axis=1)

    def _judged(
        self, labels: Any, boxes: Any, kept: Any, true_labels: Any, true: Any, there: Any, hard: Any
    ) -> tuple[Any, Any]:
        """Right and wrong predictions, the best first."""
        images, number = ops.shape(true_labels)
        same = (labels[:, :, None] == true_labels[:, None]) & there[:, None]
        shared = ops.where(same, centred_overlaps(boxes[:, :, None], true[:, None]), -1.0)
        own = ops.cast(ops.argmax(shared, axis=2), "int32")
        near = ops.max(shared, axis=2) >= self.threshold
        near = near & ops.any(same, axis=2) & kept
        taken = near & ~ops.take_along_axis(hard, own, axis=1)
        place = ops.arange(ops.shape(labels)[1], dtype="int32")
        group = own + number * ops.arange(images, dtype="int32")[:, None]
        first = ops.segment_max(
            ops.reshape(ops.where(taken, -place, -ops.shape(labels)[1]), (-1,)),
            ops.reshape(group, (-1,)),
            images * number,
        )
        right = taken & (place == -ops.take(first, group))
        wrong = taken & ~right
        # v2's source marks no prediction of a class that is there, but far away, as wrong.
        missed = ~ops.any(same, axis=2) if self.anchors else ~near
        return right, wrong | missed


def _joined(rows: Any) -> Any:
    """(N, M, K) -> (N, M * K)."""
    images, number, size = ops.shape(rows)
    return ops.reshape(rows, (images, number * size))
