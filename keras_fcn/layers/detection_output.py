"""SSD's DetectionOutput layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._axes import channels_first
from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._boxes import DECODERS, suppress
from keras_fcn.layers._largest import largest
from keras_fcn.layers._places import places_of

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class DetectionOutput(CaffeLayer):
    """Detections of an SSD network: boxes decoded, filtered by score and by overlap.

    For each image and class the `top_k` boxes with the best scores above
    `confidence_threshold` go through a greedy suppression; of what is left in all
    classes of an image, the `keep_top_k` best stay. No gradient passes.

    Sources: `detection_output_layer.cpp` of github.com/weiliu89/caffe, branch ssd; for `clip`
    that of github.com/opencv/opencv, whose results are else the same. Boxes whose scores are equal
    but for rounding may come in another order there, and then others survive the suppression.

    Args:
        num_classes: classes, background included.
        share_location: whether all classes of a prior have one box.
        background_label_id: the class that is not reported; -1: there is none.
        nms_threshold: overlap (intersection over union) that two boxes of a class may have.
        top_k: boxes that go into the suppression, for each class; -1: all.
        eta: factor of the threshold after each box that is kept, while it is above 0.5.
        code_type: how locations are relative to priors: `"CORNER"`, `"CENTER_SIZE"`
            or `"CORNER_SIZE"`.
        variance_encoded_in_target: locations are not multiplied by the variances.
        keep_top_k: most detections of an image; -1: all.
        confidence_threshold: a score must be above it; None: every score counts.
        clip: whether boxes are cut at the image's border before the suppression.
        cells: give the anchor, column and row of each detection as well, as OpenVINO's
            DetectionOutputExtended does; the locations are a map then, (N, W, anchors * 4,
            H), which in Caffe's order is H, W, anchors * 4.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        [(N, priors * classes * 4), (N, priors * num_classes), (1, priors * 4, 2)]:
        locations, confidences, and priors with their variances.

    Output shape:
        (1, rows, 7, 1), float32: image, class, score, xmin, ymin, xmax, ymax, or with
        `positions` ten columns: these, and anchor, column and row. How many rows
        there are is known when the graph runs: one a detection, by image, then class, the
        best first. If nothing is found in any image, each has a row (image, -1, ..., -1).

    Raises:
        ValueError: an unknown code type, or no class besides the background.
    """

    def __init__(
        self,
        num_classes: int,
        share_location: bool = True,
        background_label_id: int = 0,
        nms_threshold: float = 0.3,
        top_k: int = -1,
        eta: float = 1.0,
        code_type: str = "CORNER",
        variance_encoded_in_target: bool = False,
        keep_top_k: int = -1,
        confidence_threshold: float | None = None,
        clip: bool = False,
        cells: bool = False,
        **kwargs: Any,
    ) -> None:
        # Half precision would move boxes by whole pixels.
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        if code_type not in DECODERS:
            raise ValueError(f"code_type must be one of {list(DECODERS)}. Received: {code_type!r}")
        self.num_classes = num_classes
        self.share_location = share_location
        self.background_label_id = background_label_id
        self.nms_threshold = nms_threshold
        self.top_k = top_k
        self.eta = eta
        self.code_type = code_type
        self.variance_encoded_in_target = variance_encoded_in_target
        self.keep_top_k = keep_top_k
        self.confidence_threshold = confidence_threshold
        self.clip = clip
        self.cells = cells
        self.supports_jit = False  # XLA wants to know how many rows there are
        self._labels = [c for c in range(num_classes) if c != background_label_id]
        if not self._labels:
            raise ValueError(f"there must be a class to report. Received: {num_classes=}")

    def call(self, inputs: Sequence[Any]) -> Any:
        """Detections of a batch."""
        inputs = [ops.stop_gradient(ops.cast(channels_first(x), "float32")) for x in inputs[:3]]
        boxes = self._decode(inputs[0], inputs[2])
        images, groups, priors, _ = ops.shape(boxes)
        scores = ops.reshape(inputs[1], (images, priors, self.num_classes))
        scores = ops.take(ops.transpose(scores, (0, 2, 1)), self._labels, axis=1)
        scores, best = largest(scores, _at_most(self.top_k, priors))
        # Where the boxes of an image, and of a class if they differ, begin among all.
        first = ops.reshape(ops.arange(images * groups) * priors, (images, groups, 1))
        boxes = ops.take(ops.reshape(boxes, (-1, 4)), first + best, axis=0)
        count = ops.shape(scores)[2]
        lowest = -float("inf") if self.confidence_threshold is None else self.confidence_threshold
        found = suppress(
            ops.reshape(boxes, (-1, count, 4)),
            ops.reshape(scores > lowest, (-1, count)),
            self.nms_threshold,
            self.eta,
        )
        labels = ops.cast(ops.reshape(self._labels, (-1, 1)), "float32")
        ids = ops.reshape(ops.arange(images, dtype="float32"), (-1, 1, 1))
        columns = (ids + ops.zeros_like(scores), labels + ops.zeros_like(scores), scores)
        parts = [ops.stack(columns, axis=-1), boxes]
        if self.cells:
            parts.append(_cells(best, ops.shape(inputs[0])))
        rows = ops.concatenate(parts, axis=-1)
        rows, found = self._best(
            ops.reshape(rows, (images, -1, self._columns)), ops.reshape(found, (images, -1))
        )
        # If there is none in any image, each gets a row of its own.
        none = ops.logical_not(ops.any(found))
        ids = ids[:, 0]
        fill = (-ops.ones_like(ids),) * (self._columns - 1)
        rows = ops.concatenate([rows, ops.concatenate([ids, *fill], axis=1)])
        (places,) = places_of(
            ops.concatenate([found, ops.logical_and(none, ops.ones_like(ids[:, 0], "bool"))])
        )
        return ops.take(rows, places, axis=0)[None, :, :, None]

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """(1, rows, columns, 1)."""
        return (1, None, self._columns, 1)

    @property
    def _columns(self) -> int:
        return 10 if self.cells else 7

    def _decode(self, locations: Any, priors: Any) -> Any:
        """Boxes, (N, 1 or classes without the background, priors, 4)."""
        groups = 1 if self.share_location else self.num_classes
        priors = ops.reshape(priors[0], (2, 1, -1, 4))
        locations = ops.reshape(locations, (-1, ops.shape(priors)[2], groups, 4))
        locations = ops.transpose(locations, (0, 2, 1, 3))
        if not self.share_location:
            locations = ops.take(locations, self._labels, axis=1)
        if not self.variance_encoded_in_target:
            locations = locations * priors[1]
        boxes = DECODERS[self.code_type](priors[0], locations)
        return ops.clip(boxes, 0.0, 1.0) if self.clip else boxes

    def _best(self, rows: Any, found: Any) -> tuple[Any, Any]:
        """The `keep_top_k` best of each image's (N, M) detections, in their order, as a list."""
        if self.keep_top_k >= 0:
            total = ops.shape(found)[1]
            scores = ops.where(found, rows[:, :, 2], -float("inf"))
            _, best = largest(scores, _at_most(self.keep_top_k, total))
            first = ops.arange(ops.shape(found)[0])[:, None] * total
            places = ops.reshape(ops.sort(best, axis=1) + first, (-1,))
            rows, found = (
                ops.take(ops.reshape(rows, (-1, self._columns)), places, axis=0),
                ops.take(ops.reshape(found, (-1,)), places, axis=0),
            )
        return ops.reshape(rows, (-1, self._columns)), ops.reshape(found, (-1,))


def _at_most(limit: int, size: Any) -> Any:
    """`size`, but no more than `limit`; -1: no limit."""
    if limit < 0:
        return size
    return min(limit, size) if isinstance(size, int) else ops.minimum(limit, size)


def _cells(priors: Any, sizes: Any) -> Any:
    """Anchor, column and row of priors, (..., 3), on a map (images, rows, columns, numbers)."""
    anchors = sizes[3] // 4
    cell = priors // anchors
    places = (priors % anchors, cell % sizes[2], cell // sizes[2])
    return ops.cast(ops.stack(places, axis=-1), "float32")
