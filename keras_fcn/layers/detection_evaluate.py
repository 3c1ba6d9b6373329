"""SSD's DetectionEvaluate layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._boxes import overlaps
from keras_fcn.layers._labels import flat
from keras_fcn.layers._places import places_of

Shape = tuple[int | None, ...]
_NOBODY = (-1.0,) * 8


@keras.saving.register_keras_serializable(package="keras_fcn")
class DetectionEvaluate(CaffeLayer):
    """Right and wrong detections, from which an average precision is computed.

    A detection is right if the true box of its image and class that it overlaps most,
    overlaps it enough, and no detection with a better score has that box already. No
    gradient passes.

    Source: `detection_evaluate_layer.cpp` of github.com/weiliu89/caffe, branch ssd.
    Where boxes are in pixels, the layer, as there, counts through all calls those images
    that have detections; see `reset_state`.

    Args:
        num_classes: classes, background included.
        background_label_id: the class without a row; -1: there is none.
        overlap_threshold: the overlap (intersection over union) that is enough.
        evaluate_difficult_gt: whether true boxes that are marked as difficult count.
        sizes: height and width of each image, in order: boxes are compared in pixels,
            both corners included. Empty: as parts of the image.
        resize: how the images were resized: mode, height and width; `"WARP"`,
            `"FIT_SMALL_SIZE"`, or `"FIT_LARGE_SIZE_AND_PAD"`: boxes lie on the
            padded image.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        [(1, rows, 7, 1), (1, boxes, 8, 1)]: detections: image, class, score, xmin, ymin,
        xmax, ymax; true boxes: image, class, instance, xmin, ymin, xmax, ymax, difficult.

    Output shape:
        (1, rows, 5, 1), float32: a row (-1, class, true boxes, -1, -1) for each class but
        the background, then for each detection one (image, class, score, right, wrong), by
        image, then class, the best first. Neither right nor wrong is what overlaps a
        difficult box that does not count.
    """

    def __init__(
        self,
        num_classes: int,
        background_label_id: int = 0,
        overlap_threshold: float = 0.5,
        evaluate_difficult_gt: bool = True,
        sizes: Sequence[Sequence[int]] = (),
        resize: tuple[str, int, int] = ("WARP", 0, 0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        self.num_classes = num_classes
        self.background_label_id = background_label_id
        self.overlap_threshold = overlap_threshold
        self.evaluate_difficult_gt = evaluate_difficult_gt
        self.sizes = [list(map(int, size)) for size in sizes]
        self.resize = (str(resize[0]), int(resize[1]), int(resize[2]))
        self.supports_jit = False  # XLA wants to know how many rows there are
        self._seen: list[Any] = []

    def build(self, input_shape: Sequence[Shape]) -> None:
        """Make the counter of images, where their sizes are known."""
        if self.sizes:
            self._seen = [
                self.add_weight(
                    name="seen", shape=(), dtype="int32", initializer="zeros", trainable=False
                )
            ]

    @property
    def weights(self) -> list[Any]:
        """None; the counter is among the `variables` only, as seeds are."""
        return []

    def reset_state(self) -> None:
        """Let the next call start from the first of the sizes."""
        for seen in self._seen:
            seen.assign(ops.zeros_like(seen))

    def call(self, inputs: Sequence[Any]) -> Any:
        """Judge (detections, true boxes)."""
        found, truth = (ops.stop_gradient(ops.cast(flat(x), "float32")) for x in inputs)
        found, truth = ops.reshape(found, (-1, 7)), ops.reshape(truth, (-1, 8))
        truth = ops.concatenate([truth, ops.convert_to_tensor([_NOBODY], "float32")])
        image, label, score = (
            ops.cast(found[:, 0], "int32"),
            ops.cast(found[:, 1], "int32"),
            found[:, 2],
        )
        true_image, true_label = (ops.cast(truth[:, column], "int32") for column in (0, 1))
        # What follows a box of image -1 is not read.
        exists = ops.cumsum(ops.cast(true_image == -1, "int32")) == 0
        counts = exists
        if not self.evaluate_difficult_gt:
            counts = exists & (truth[:, 7] == 0)

        listed = image != -1
        same = (image[:, None] == true_image) & (label[:, None] == true_label)
        same = same & exists & listed[:, None]
        shared = ops.where(same, self._overlaps(found[:, 3:], truth[:, 3:7], image), -1.0)
        own = ops.cast(ops.argmax(shared, axis=1), "int32")
        hit = ops.max(shared, axis=1) >= self.overlap_threshold
        order = self._order(image, label, score, ops.any(same, axis=1))
        place = ops.argsort(order)
        place = ops.cast(place, "int32")
        taken = hit & ops.take(counts, own)
        latest = ops.shape(place)[0]
        first = -ops.segment_max(ops.where(taken, -place, -latest), own, ops.shape(truth)[0])
        right = taken & (place == ops.take(first, own))
        wrong = ops.logical_not(hit) | (taken & ops.logical_not(right))
        columns = (
            found[:, 0],
            found[:, 1],
            score,
            ops.cast(right, "float32"),
            ops.cast(wrong, "float32"),
        )
        rows = ops.where(listed[:, None], ops.stack(columns, axis=1), 0.0)
        (places,) = places_of(ops.take(label, order) != -1)
        rows = ops.take(rows, ops.take(order, places), axis=0)
        rows = ops.concatenate([self._classes(true_label, counts), rows])
        return rows[None, :, :, None]

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """(1, rows, 5, 1)."""
        return (1, None, 5, 1)

    def _classes(self, labels: Any, counts: Any) -> Any:
        """Number of true boxes of each class."""
        classes = [c for c in range(self.num_classes) if c != self.background_label_id]
        column = ops.reshape(ops.convert_to_tensor(classes, "int32"), (-1, 1))
        number = ops.sum(ops.cast((labels == column) & counts, "float32"), axis=1, keepdims=True)
        none = ops.full_like(number, -1.0)
        return ops.concatenate([none, ops.cast(column, "float32"), number, none, none], axis=1)

    def _order(self, image: Any, label: Any, score: Any, sorts: Any) -> Any:
        """By image and class; by score where there are true boxes, else as they came."""
        order = ops.argsort(ops.where(sorts, -score, 0.0))
        order = ops.take(order, ops.argsort(ops.take(label, order)))
        last = ops.where(image == -1, ops.max(image) + 1, image)
        return ops.take(order, ops.argsort(ops.take(last, order)))

    def _overlaps(self, found: Any, truth: Any, image: Any) -> Any:
        """(detections, true boxes)."""
        found, truth = found[:, None], truth[None]
        if not self.sizes:
            return overlaps(found, truth)
        size = self._size(image)
        return _in_pixels(*(self._output(boxes, size) for boxes in (found, truth)))

    def _size(self, image: Any) -> Any:
        """Height and width of each detection's image, (rows, 1, 2)."""
        rows = ops.arange(ops.shape(image)[0], dtype="int32")
        same = image[:, None] == image
        first = (ops.cast(ops.argmax(same, axis=1), "int32") == rows) & (image != -1)
        place = ops.sum(ops.cast(first & (image < image[:, None]), "int32"), axis=1)
        seen, number = self._seen[0], len(self.sizes)
        place = (place + seen) % number
        seen.assign((seen + ops.sum(ops.cast(first, "int32"))) % number)
        return ops.take(ops.convert_to_tensor(self.sizes, "float32"), place, axis=0)[:, None]

    def _output(self, boxes: Any, size: Any) -> Any:
        """Boxes on the image, in pixels."""
        mode, height, width = self.resize
        if mode == "FIT_LARGE_SIZE_AND_PAD":
            boxes = _without_padding(boxes, size, height, width)
        return ops.clip(boxes, 0.0, 1.0) * ops.concatenate([size[..., ::-1]] * 2, axis=-1)


def _without_padding(boxes: Any, size: Any, height: float, width: float) -> Any:
    """Boxes on an image that lies in the middle of a larger one, those outside as they were."""
    aspect = size[..., 1] / size[..., 0]
    wide = aspect > width / height
    above = ops.where(wide, (height - width / aspect) / 2 / height, 0.0)
    left = ops.where(wide, 0.0, (width - height * aspect) / 2 / width)
    low = ops.stack([left, above], axis=-1)
    inside = ops.all((boxes[..., :2] < 1 - low) & (boxes[..., 2:] > low), axis=-1, keepdims=True)
    moved = (boxes - ops.concatenate([low, low], axis=-1)) / (
        1 - 2 * ops.concatenate([low, low], axis=-1)
    )
    return ops.where(inside, moved, boxes)


def _in_pixels(first: Any, second: Any) -> Any:
    """Intersection over union of boxes whose corners are pixels that belong to them.

    Boxes that do not meet share one pixel; so it is in the source.
    """
    low = ops.maximum(first[..., :2], second[..., :2])
    high = ops.minimum(first[..., 2:], second[..., 2:])
    apart = ops.any(
        (second[..., :2] > first[..., 2:]) | (second[..., 2:] < first[..., :2]),
        axis=-1,
        keepdims=True,
    )
    sides = ops.relu(ops.where(apart, 0.0, high - low) + 1)
    shared = sides[..., 0] * sides[..., 1]
    union = _pixels(first) + _pixels(second) - shared
    return ops.where(shared > 0, shared / union, 0.0)


def _pixels(boxes: Any) -> Any:
    sides = boxes[..., 2:] - boxes[..., :2]
    return ops.where(ops.all(sides >= 0, axis=-1), (sides[..., 0] + 1) * (sides[..., 1] + 1), 0.0)
