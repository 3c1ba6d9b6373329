"""Faster R-CNN's proposals: anchors moved by the network, and the best of them kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._interpolation import positions
from keras_fcn.layers._largest import largest
from keras_fcn.layers._loops import one_graph

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class Proposal(CaffeLayer):
    """Regions of interest from scores and box deltas of anchors.

    Every position of the map has all anchors. Deltas (dx, dy, dw, dh) move an anchor's middle
    by parts of its size and scale its sides by exp(dw), exp(dh); the box is cut at the
    image's border. Boxes with a side below `min_size` times the image's scale are
    dropped, the best of the rest go through non-maximum suppression, in which pixels count
    as squares, (x2 - x1 + 1) wide. No gradient passes, as in Caffe.

    Sources: `lib/rpn/proposal_layer.py` of rbgirshick/py-faster-rcnn; with
    `drop_small=False` `proposal_layer.cpp` of sanghoon/caffe.

    Args:
        anchors: boxes x1, y1, x2, y2 in pixels, for the map's first position.
        feat_stride: pixels from one position to the next.
        pre_nms_topn: how many boxes go into the suppression; below 1: all.
        post_nms_topn: how many come out at most; below 1: all.
        nms_thresh: boxes that overlap a better one by more are dropped.
        min_size: least width and height in pixels of the unscaled image.
        drop_small: whether boxes that are too small are dropped; else their score is 0.
            The scale of the width is then the fourth number of the image, if it has one.
        score_axes: axes of the scores, 2: (R, 1), or 1: (R,).
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        [(1, H, W, 2 * A), (1, H, W, 4 * A), (1, 3)] for A anchors: scores, those of the
        background first; deltas; and the image's height, width and scale. One image only.

    Output shape:
        (R, 5): image (0), x1, y1, x2, y2, best first; and the scores. How many regions
        there are depends on the data.
    """

    def __init__(
        self,
        anchors: Sequence[Sequence[float]],
        feat_stride: int = 16,
        pre_nms_topn: int = 6000,
        post_nms_topn: int = 300,
        nms_thresh: float = 0.7,
        min_size: int = 16,
        drop_small: bool = True,
        score_axes: int = 2,
        **kwargs: Any,
    ) -> None:
        # Half precision counts pixels to 2048 only.
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        self.anchors = [[float(number) for number in anchor] for anchor in anchors]
        self.feat_stride = feat_stride
        self.pre_nms_topn = pre_nms_topn
        self.post_nms_topn = post_nms_topn
        self.nms_thresh = nms_thresh
        self.min_size = min_size
        self.drop_small = drop_small
        self.score_axes = score_axes

    def call(self, inputs: Sequence[Any]) -> tuple[Any, Any]:
        """Propose regions."""
        scores, deltas, image = (ops.stop_gradient(ops.cast(x, "float32")) for x in inputs)
        image = ops.reshape(image, (-1,))
        count = len(self.anchors)
        _, height, width, _ = ops.shape(scores)
        # A batch of more than one image does not fit into these shapes, and raises.
        number = height * width * count
        scores = ops.reshape(scores[..., count:], (number,))
        boxes = self._boxes(ops.reshape(deltas, (number, 4)), height, width, image)
        scores = self._without_small(scores, boxes, image)
        if self.pre_nms_topn > 0:
            smaller = min if isinstance(number, int) else ops.minimum
            number = smaller(number, self.pre_nms_topn)
        scores, order = largest(scores, number)
        boxes = ops.take(boxes, order, axis=0)
        limit = self.post_nms_topn if self.post_nms_topn > 0 else number
        limit = ops.convert_to_tensor(limit, "int32")
        kept = suppressed(boxes, scores > float("-inf"), self.nms_thresh, limit)
        boxes, scores = ops.take(boxes, kept, axis=0), ops.take(scores, kept, axis=0)
        regions = ops.pad(boxes, [(0, 0), (1, 0)])
        return regions, ops.expand_dims(scores, -1) if self.score_axes == 2 else scores

    def _boxes(self, deltas: Any, height: Any, width: Any, image: Any) -> Any:
        """All anchors, moved and cut: (H * W * A, 4)."""
        right = (positions(width) * self.feat_stride)[None, :, None]
        down = (positions(height) * self.feat_stride)[:, None, None]
        anchors = ops.transpose(ops.convert_to_tensor(self.anchors, "float32"))
        still = ops.zeros_like(right * down)
        x1, y1, x2, y2 = (
            ops.reshape(still + shift + anchors[axis], (-1,))
            for axis, shift in enumerate((right, down, right, down))
        )
        sides = []
        for axis, (first, last) in enumerate(((x1, x2), (y1, y2))):
            size = last - first + 1.0
            middle = deltas[:, axis] * size + (first + 0.5 * size)
            half = 0.5 * (ops.exp(deltas[:, axis + 2]) * size)
            border = image[1 - axis] - 1.0
            sides.append([ops.clip(edge, 0.0, border) for edge in (middle - half, middle + half)])
        return ops.stack([side[end] for end in (0, 1) for side in sides], axis=-1)

    def _without_small(self, scores: Any, boxes: Any, image: Any) -> Any:
        """Scores, those of boxes that are too small set back."""
        scale_y = scale_x = image[2]
        if not self.drop_small:
            # The fourth number of the image, or the third of three.
            scale_x = image[2:4][-1]
        sides = boxes[:, 2:] - boxes[:, :2] + 1.0
        large = (sides[:, 0] >= self.min_size * scale_x) & (sides[:, 1] >= self.min_size * scale_y)
        least = float("-inf") if self.drop_small else 0.0
        return ops.where(large, scores, ops.full_like(scores, least))

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> tuple[Shape, Shape]:
        """Regions, and their scores."""
        scores: Shape = (None, 1)[: self.score_axes]
        return (None, 5), scores


@one_graph
def suppressed(boxes: Any, valid: Any, threshold: float, limit: Any) -> Any:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4), best first; x1, y1, x2, y2 in pixels, both corners included.
        valid: (N,), which boxes count at all.
        threshold: largest intersection over union with a better box that is kept.
        limit: how many boxes to keep at most.

    Returns:
        Indices of the boxes that are kept, best first.
    """
    x1, y1, x2, y2 = (boxes[:, index] for index in range(4))
    areas = (x2 - x1 + 1.0) * (y2 - y1 + 1.0)
    number = ops.shape(boxes)[0]
    indices, places = (ops.arange(count, dtype="int32") for count in (number, limit))

    def keep(count: Any, alive: Any, kept: Any) -> tuple[Any, Any, Any]:
        best = ops.cast(ops.argmax(ops.cast(alive, "int32")), "int32")
        left, top, right, bottom, area = (ops.take(side, best) for side in (x1, y1, x2, y2, areas))
        wide = ops.maximum(ops.minimum(x2, right) - ops.maximum(x1, left) + 1.0, 0.0)
        high = ops.maximum(ops.minimum(y2, bottom) - ops.maximum(y1, top) + 1.0, 0.0)
        shared = wide * high
        distinct = shared / (areas + area - shared) <= threshold
        return (
            count + 1,
            alive & distinct & ops.not_equal(indices, best),
            ops.where(ops.equal(places, count), best, kept),
        )

    count, _, kept = ops.while_loop(
        lambda count, alive, _: (count < limit) & ops.any(alive),
        keep,
        (ops.zeros((), "int32"), valid, ops.zeros_like(places)),
    )
    return kept[:count]
