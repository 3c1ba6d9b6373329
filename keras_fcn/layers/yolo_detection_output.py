"""Detections of a YOLO network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._boxes import suppress_centred
from keras_fcn.layers._interpolation import positions
from keras_fcn.layers._largest import largest
from keras_fcn.layers._places import places_of

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class YoloDetectionOutput(CaffeLayer):
    """Boxes of YOLO v2 or v3: decoded, filtered by score and by overlap, the best first.

    Overlaps are suppressed between boxes of all classes, and, as in the source, of all
    images: feed one image at a time. No gradient passes.

    Source: `yolo_detection_output_layer.cpp` and `yolov3_detection_output_layer.cpp` of
    github.com/eric612/MobileNet-YOLO.

    Args:
        anchors: for each input the boxes of a position, (width, height) pairs in positions.
        num_classes: how many classes there are.
        confidence_threshold: lowest score; see `each_class`.
        nms_threshold: overlap (intersection over union) from which on the worse of two
            boxes is dropped.
        each_class: False: a box has its likeliest class by a softmax, and a score of at
            least the threshold (v2); True: it counts for each class whose score, by
            sigmoids, is above it (v3).
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        One or more (N, S, S, boxes * (5 + num_classes)): for each box x, y, width, height,
        objectness, classes.

    Output shape:
        (1, rows, 7, 1), float32: image (0), class from 1 on, score, xmin, ymin, xmax, ymax,
        as parts of the image. How many rows there are is known when the graph runs. If
        nothing is found, each image has a row (image, -1, ..., -1).
    """

    def __init__(
        self,
        anchors: Sequence[Sequence[Sequence[float]]],
        num_classes: int,
        confidence_threshold: float = 0.01,
        nms_threshold: float = 0.45,
        each_class: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        self.anchors = [[[float(side) for side in pair] for pair in pairs] for pairs in anchors]
        self.num_classes = num_classes
        self.confidence_threshold = confidence_threshold
        self.nms_threshold = nms_threshold
        self.each_class = each_class
        self.supports_jit = False  # XLA wants to know how many rows there are

    def call(self, inputs: Sequence[Any]) -> Any:
        """Detections in maps."""
        inputs = [ops.stop_gradient(ops.cast(x, "float32")) for x in inputs]
        parts = [self._found(x, pairs) for x, pairs in zip(inputs, self.anchors, strict=True)]
        boxes, scores, labels = map(ops.concatenate, zip(*parts, strict=True))
        order = ops.argsort(-scores)
        boxes, scores, labels = (ops.take(x, order, axis=0) for x in (boxes, scores, labels))
        kept = suppress_centred(boxes[None], self.nms_threshold)[0]
        half = boxes[:, 2:] / 2
        columns = [ops.zeros_like(scores), ops.cast(labels + 1, "float32"), scores]
        rows = [ops.stack(columns, axis=1), boxes[:, :2] - half, boxes[:, :2] + half]
        ids = ops.arange(ops.shape(inputs[0])[0], dtype="float32")[:, None]
        nothing = ops.concatenate([ids, *(-ops.ones_like(ids),) * 6], axis=1)
        none = ops.logical_and(ops.logical_not(ops.any(kept)), ops.ones_like(ids[:, 0], "bool"))
        (places,) = places_of(ops.concatenate([kept, none]))
        rows = ops.concatenate([ops.concatenate(rows, axis=1), nothing])
        return ops.take(rows, places, axis=0)[None, :, :, None]

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(1, rows, 7, 1)."""
        return (1, None, 7, 1)

    def _found(self, x: Any, pairs: Sequence[Sequence[float]]) -> tuple[Any, Any, Any]:
        """Boxes (M, 4) as centre and size, scores (M,) and classes (M,) that are good enough."""
        images, height, width, _ = ops.shape(x)
        cells = (images, height, width, len(pairs))
        x = ops.reshape(x, (*cells, 5 + self.num_classes))
        centre, size, objectness, classes = ops.split(x, [2, 4, 5], axis=-1)
        right, down = positions(width)[:, None], positions(height)[:, None, None]
        sides = [ops.cast(side, "float32") for side in (width, height)]
        boxes = ops.stack(
            [
                (ops.sigmoid(centre[..., 0]) + right) / sides[0],
                (ops.sigmoid(centre[..., 1]) + down) / sides[1],
                *(
                    ops.exp(size[..., axis]) * ops.convert_to_tensor(anchors) / sides[axis]
                    for axis, anchors in enumerate(zip(*pairs, strict=True))
                ),
            ],
            axis=-1,
        )
        if self.each_class:
            scores = ops.reshape(ops.sigmoid(classes) * ops.sigmoid(objectness), (-1,))
            (places,) = places_of(scores > self.confidence_threshold)
            box, labels = places // self.num_classes, places % self.num_classes
        else:
            shares, best = largest(ops.softmax(classes, axis=-1), 1)
            best = ops.reshape(ops.cast(best, "int32"), (-1,))
            scores = ops.reshape(ops.sigmoid(objectness) * shares, (-1,))
            (places,) = places_of(scores >= self.confidence_threshold)
            box, labels = places, ops.take(best, places)
        boxes = ops.take(ops.reshape(boxes, (-1, 4)), box, axis=0)
        return boxes, ops.take(scores, places), labels
