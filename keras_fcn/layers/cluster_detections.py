"""DetectNet's clusters of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._places import places_of

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class ClusterDetections(CaffeLayer):
    """Boxes of DetectNet's grid, clustered as OpenCV's `groupRectangles` does.

    Each position whose coverage reaches a threshold gives a box. Boxes are rounded to whole
    pixels; those whose four numbers are close to another's are one cluster, and so on from
    neighbour to neighbour. A cluster's box is the rounded mean, its confidence the logarithm
    of how many boxes it has. Clusters of few boxes, those inside a larger cluster, and boxes
    of little height are left out. All numbers are rounded to half precision, as NVIDIA's
    layer keeps them; as there, x2 and y2 stand for width and height in the measure of
    closeness, and no more rows of the grid count than it has columns.

    No gradient passes. NVIDIA's layer fails where an image has more boxes than
    `most_boxes`; here the first ones stay.

    Sources: `python/caffe/layers/detectnet/clustering.py` of github.com/NVIDIA/caffe;
    `modules/objdetect/src/cascadedetect.cpp` of github.com/opencv/opencv.

    Args:
        grid: rows and columns of the grid.
        cell: height and width of a cell in pixels.
        coverage_threshold: a position's box counts from this coverage on.
        group_threshold: a cluster needs more boxes than this; 0 clusters nothing.
        eps: how far boxes of a cluster may be apart, as a part of their size.
        min_height: least height of a cluster's box in pixels.
        most_boxes: rows of each image.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        [(N, H, W, classes), (N, H, W, 4)]: coverage, and x1, y1, x2, y2 from the position's
        corner on.

    Output shape:
        For each class (N, 5, most_boxes), Caffe's (N, most_boxes, 5) with the second axis
        last: x1, y1, x2, y2, confidence; 0 where there is no box.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        cell: tuple[int, int],
        coverage_threshold: float,
        group_threshold: int,
        eps: float,
        min_height: int,
        most_boxes: int = 50,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        self.grid = tuple(grid)
        self.cell = tuple(cell)
        self.coverage_threshold = coverage_threshold
        self.group_threshold = group_threshold
        self.eps = eps
        self.min_height = min_height
        self.most_boxes = most_boxes

    def call(self, inputs: Sequence[Any]) -> list[Any]:
        """Cluster the boxes of each class."""
        coverage, offsets = (ops.stop_gradient(ops.cast(x, "float32")) for x in inputs)
        images = ops.shape(coverage)[0]
        coverage = coverage[:, : min(self.grid)]
        return [
            self._clusters(coverage[..., index] >= self.coverage_threshold, offsets, images)
            for index in range(coverage.shape[-1])
        ]

    def _clusters(self, covered: Any, offsets: Any, images: Any) -> Any:
        """One class's boxes, (N, 5, most_boxes)."""
        image, row, column = places_of(covered)
        _, height, width, _ = ops.shape(offsets)
        cells = (image * height + row) * width + column
        found = ops.take(ops.reshape(offsets, (-1, 4)), cells, axis=0)
        corner = ops.stack([column * self.cell[1], row * self.cell[0]] * 2, axis=1)
        boxes, at_zero = _rounded_sum(found, corner)
        # The layer gives up on an image whose boxes are nothing but zeros.
        some = ops.segment_max(ops.cast(~at_zero, "int32"), image, num_segments=images)
        valid = ops.take(some, image, axis=0) > 0
        count = ops.ones_like(image)
        if self.group_threshold > 0:
            label = self._labels(boxes, image)
            boxes, count = _means(boxes, label)
            own = ops.equal(label, _places(label))
            valid &= own & (count > self.group_threshold)
            valid &= ~self._inside(boxes, count, image, valid)
        valid &= boxes[:, 3] - boxes[:, 1] >= self.min_height
        confidence = ops.log(ops.cast(count, "float64"))
        rows = ops.concatenate([ops.cast(boxes, "float64"), confidence[:, None]], axis=1)
        rows = ops.cast(ops.cast(rows, "float16"), "float32")
        return self._listed(rows, image, valid, images)

    def _labels(self, boxes: Any, image: Any) -> Any:
        """For each box the first one of its cluster."""
        size = ops.cast(boxes[:, 2:], "float64")
        near = ops.sum(ops.minimum(size[:, None], size[None]), axis=-1) * self.eps * 0.5
        ends = ops.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        apart = ops.max(ops.abs(ends[:, None] - ends[None]), axis=-1)
        similar = (ops.cast(apart, "float64") <= near) & ops.equal(image[:, None], image)
        labels = _places(image)
        similar |= ops.equal(labels[:, None], labels)
        last = ops.cast(ops.shape(image)[0], "int32")

        def spread(labels: Any, _: Any) -> tuple[Any, Any]:
            lowest = ops.min(ops.where(similar, labels, last), axis=1)
            lowest = ops.take(lowest, lowest, axis=0)  # each goes on to where the first has gone
            return lowest, ops.any(ops.not_equal(lowest, labels))

        changed = last > 0
        return ops.while_loop(lambda _, changed: changed, spread, (labels, changed))[0]

    def _inside(self, boxes: Any, count: Any, image: Any, valid: Any) -> Any:
        """Mask of clusters inside one of more boxes, or of very few boxes inside any."""
        low, size = boxes[:, :2], boxes[:, 2:]
        slack = ops.cast(ops.round(ops.cast(size, "float64") * self.eps), "int32")
        within = ops.all(low[:, None] >= (low - slack), axis=-1)
        within &= ops.all((low + size)[:, None] <= low + size + slack, axis=-1)
        fewer = (count > ops.maximum(3, count)[:, None]) | (count < 3)[:, None]
        places = _places(image)
        other = valid & ops.not_equal(places[:, None], places) & ops.equal(image[:, None], image)
        return ops.any(within & fewer & other, axis=1)

    def _listed(self, rows: Any, image: Any, valid: Any, images: Any) -> Any:
        """The rows that are valid, image by image."""
        earlier = ops.equal(image[:, None], image) & valid
        places = _places(image)
        earlier &= places < places[:, None]
        rank = ops.sum(ops.cast(earlier, "int32"), axis=1)
        kept = ops.cast((valid & (rank < self.most_boxes))[:, None], rows.dtype)
        slot = image * self.most_boxes + ops.minimum(rank, self.most_boxes - 1)
        listed = ops.segment_sum(rows * kept, slot, num_segments=images * self.most_boxes)
        return ops.transpose(ops.reshape(listed, (-1, self.most_boxes, 5)), (0, 2, 1))

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> list[Shape]:
        """(N, 5, most_boxes) for each class."""
        images, *_, classes = input_shape[0]
        return [(images, 5, self.most_boxes)] * (classes or 0)


def _places(x: Any) -> Any:
    """0, 1, 2 ... for each row."""
    return ops.arange(ops.shape(x)[0], dtype="int32")


def _rounded_sum(x: Any, whole: Any) -> tuple[Any, Any]:
    """A sum rounded to whole numbers, halves to even; and which rows were 0 before that.

    As if it were computed in double precision: x keeps its last digits.
    """
    below = ops.floor(x)
    part, base = x - below, ops.cast(below, "int32") + whole
    odd = ops.not_equal(base % 2, 0)
    up = (part > 0.5) | (ops.equal(part, 0.5) & odd)
    at_zero = ops.all(ops.equal(base, 0) & ops.equal(part, 0), axis=1)
    return base + ops.cast(up, "int32"), at_zero


def _means(boxes: Any, label: Any) -> tuple[Any, Any]:
    """The rounded mean of each box's cluster, and how many boxes that has."""
    number = ops.shape(label)[0]
    counts = ops.segment_sum(ops.ones_like(label), label, num_segments=number)
    sums = ops.segment_sum(boxes, label, num_segments=number)
    counts, sums = ops.take(counts, label, axis=0), ops.take(sums, label, axis=0)
    # OpenCV's share of one box, in single precision. A graph takes 1 / x for a reciprocal, which
    # may be off in its last digits, so that halves would be rounded the wrong way.
    exact = ops.cast(counts, "float64")
    share = 1.0 / exact
    share = ops.cast(share * (2.0 - exact * share), "float32")
    means = ops.cast(sums, "float32") * share[:, None]
    return ops.cast(ops.round(means), "int32"), counts
