"""CTPN's text proposals: every anchor, moved and stretched in height."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._interpolation import positions

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class TextProposal(CaffeLayer):
    """Boxes of one image's text from the scores and deltas of anchors.

    Every position of the map has all anchors. Deltas (dy, dh) move an anchor's middle by a part
    of its height and scale the height by exp(dh); left and right stay. The box is cut at the
    image's border. No gradient passes, as in Caffe.

    Source: `src/layers/text_proposal_layer.py` and `src/anchor.py` of
    github.com/tianzhi0549/CTPN.

    Args:
        anchors: boxes x1, y1, x2, y2 in pixels, for the map's first position.
        feat_stride: pixels from one position to the next.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        [(1, H, W, 2 * A), (1, H, W, 2 * A), (1, 3)] for A anchors: scores, those of the
        background first; deltas, dy and dh of one anchor behind the other; and the image's
        height, width and scale.

    Output shape:
        (H * W * A, 4): x1, y1, x2, y2, position by position; and (H * W * A, 1), the scores.
    """

    def __init__(
        self, anchors: Sequence[Sequence[float]], feat_stride: int = 16, **kwargs: Any
    ) -> None:
        # Half precision counts pixels to 2048 only.
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        self.anchors = [[float(number) for number in anchor] for anchor in anchors]
        self.feat_stride = feat_stride

    def call(self, inputs: Sequence[Any]) -> tuple[Any, Any]:
        """Boxes and scores."""
        scores, deltas, image = (ops.stop_gradient(ops.cast(x, "float32")) for x in inputs)
        image = ops.reshape(image, (-1,))
        count = len(self.anchors)
        _, rows, columns, _ = ops.shape(scores)
        # A batch of more than one image does not fit into these shapes, and raises.
        number = rows * columns * count
        scores = ops.reshape(scores[..., count:], (number, 1))
        move, stretch = ops.split(ops.reshape(deltas, (number, 2)), 2, axis=1)
        x1, y1, x2, y2 = self._placed(rows, columns)
        height = y2 - y1 + 1.0
        new_height = ops.exp(stretch) * height
        top = move * height + (y1 + y2) / 2.0 - new_height / 2.0
        boxes = [
            ops.clip(side, 0.0, image[index] - 1.0)
            for side, index in ((x1, 1), (top, 0), (x2, 1), (top + new_height, 0))
        ]
        return ops.concatenate(boxes, axis=1), scores

    def _placed(self, rows: Any, columns: Any) -> list[Any]:
        """x1, y1, x2 and y2 of the anchors of all positions, (H * W * A, 1) each."""
        right = (positions(columns) * self.feat_stride)[None, :, None]
        down = (positions(rows) * self.feat_stride)[:, None, None]
        anchors = ops.transpose(ops.convert_to_tensor(self.anchors, "float32"))
        still = ops.zeros_like(right * down)
        return [
            ops.reshape(still + shift + anchors[axis], (-1, 1))
            for axis, shift in enumerate((right, down, right, down))
        ]

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> tuple[Shape, Shape]:
        """Boxes, and their scores."""
        return (None, 4), (None, 1)
