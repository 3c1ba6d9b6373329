"""SSD's PriorBox layer, which does PriorBoxClustered's work too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.caffe.layers.prior_box import laid
from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class PriorBox(CaffeLayer):
    """Boxes around every position of a map, as fractions of the image, and their variances.

    Position (i, j) has its centre at pixel ((j + offset) * step, (i + offset) * step). Only the
    sizes of the inputs count, not what they hold.

    Source: `prior_box_layer.cpp` of github.com/weiliu89/caffe, branch ssd.

    Args:
        boxes: (width, height) of each box of a position, in pixels of the image.
        variances: of xmin, ymin, xmax and ymax; what predictions are multiplied by.
        image_size: (height, width) in pixels; None: those of the second input.
        step: pixels from one position to the next, (down, across); None: the image's size over
            the map's.
        offset: where in its position, in positions, a centre is.
        clip: keep the boxes within the image.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        [(N, h, w, c), (N, H, W, C)]: the map, and the image; sizes may be unknown until
        the graph runs.

    Output shape:
        (1, h * w * boxes * 4, 2), float32: xmin, ymin, xmax, ymax of each box, row by row
        and position by position, and beside them the variances.

    Raises:
        ValueError: not four variances.
    """

    def __init__(
        self,
        boxes: Sequence[Sequence[float]],
        variances: Sequence[float] = (0.1, 0.1, 0.1, 0.1),
        image_size: Sequence[float] | None = None,
        step: Sequence[float] | None = None,
        offset: float = 0.5,
        clip: bool = False,
        **kwargs: Any,
    ) -> None:
        # Half precision would move boxes by whole pixels.
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        if len(variances) != 4:
            raise ValueError(f"variances must be 4 numbers. Received: variances={variances}")
        self.boxes = tuple(tuple(box) for box in boxes)
        self.variances = tuple(variances)
        self.image_size = None if image_size is None else tuple(image_size)
        self.step = None if step is None else tuple(step)
        self.offset = offset
        self.clip = clip

    def call(self, inputs: Sequence[Any]) -> Any:
        """Boxes for a map and an image."""
        cells, image = (ops.shape(x)[1:3] for x in inputs)
        corners = laid(
            self.boxes,
            cells,
            self.image_size or image,
            self.step,
            self.offset,
            self.clip,
            array=ops,
        )
        variances = ops.broadcast_to(
            ops.convert_to_tensor(self.variances, "float32"), ops.shape(corners)
        )
        return ops.reshape(ops.stack([corners, variances], axis=-1), (1, -1, 2))

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """(1, numbers, 2)."""
        height, width = input_shape[0][1:3]
        if height is None or width is None:
            return (1, None, 2)
        return (1, math.prod((height, width, len(self.boxes), 4)), 2)
