"""Layers of YOLO v2: Reorg and Region."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_fcn.layers._axes import channels_first, channels_last
from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="keras_fcn")
class Reorg(CaffeLayer):
    """Squares of pixels become channels, or back, in darknet's order.

    Darknet reads the map of C channels as one of C / stride^2, with as many more pixels,
    and cuts that into squares; so what lies together is not what one would expect.

    Source: `reorg_cpu` of github.com/pjreddie/darknet, `src/blas.c`.

    Args:
        stride: pixels along a side of a square.
        reverse: channels become squares of pixels.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, H, W, C), C a multiple of stride^2, and H and W of the stride.

    Output shape:
        (N, H / stride, W / stride, C * stride^2);
        reversed (N, H * stride, W * stride, C / stride^2).
    """

    def __init__(self, stride: int, reverse: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stride = stride
        self.reverse = reverse

    def call(self, inputs: Any) -> Any:
        """Reorder (N, H, W, C)."""
        x, step = channels_first(inputs), self.stride
        images, channels, height, width = ops.shape(x)
        few = channels // step**2
        if self.reverse:
            x = ops.reshape(x, (images, step, step, few, height, width))
            x = ops.transpose(x, (0, 3, 4, 1, 5, 2))
            x = ops.reshape(x, (images, few, height * step, width * step))
        elif any(isinstance(size, int) and size % step for size in (height, width)):
            raise ValueError(
                f"layer {self.name!r} (Reorg) takes maps whose height and width are multiples of "
                f"{step}. Received: {height} x {width}"
            )
        else:
            x = ops.reshape(x, (images, few, height, step, width, step))
            x = ops.transpose(x, (0, 3, 5, 1, 2, 4))
            x = ops.reshape(x, (images, channels * step**2, height // step, width // step))
        return channels_last(x)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """See the class."""
        images, *sizes, channels = input_shape
        step = self.stride
        if self.reverse:
            larger = (size and size * step for size in sizes)
            return (images, *larger, channels and channels // step**2)
        smaller = (size and size // step for size in sizes)
        return (images, *smaller, channels and channels * step**2)


@keras.saving.register_keras_serializable(package="keras_fcn")
class Region(CaffeLayer):
    """The numbers of YOLO v2's boxes made probabilities: objectness by sigmoid, classes by softmax.

    Sources: `src/caffe/layers/region_layer.cpp` of github.com/BirdeeChen/caffe_yolo_v2
    (`centers=False, flat=True`) and of
    github.com/openvinotoolkit/training_toolbox_caffe (`centers=True, flat=False`).

    Args:
        classes: classes of a box.
        coords: coordinates of a box, x and y first.
        num: boxes of a position.
        softmax: whether the classes go through the softmax.
        centers: whether x and y go through the sigmoid.
        flat: whether the output holds, in Caffe's order of elements, box by box and position
            by position, in a blob that keeps the input's shape.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        (N, H, W, num * (coords + 1 + classes)).

    Output shape:
        The input's.
    """

    def __init__(
        self,
        classes: int,
        coords: int = 4,
        num: int = 5,
        softmax: bool = True,
        centers: bool = True,
        flat: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.classes = classes
        self.coords = coords
        self.num = num
        self.softmax = softmax
        self.centers = centers
        self.flat = flat

    def call(self, inputs: Any) -> Any:
        """Activate (N, H, W, C)."""
        sizes = ops.shape(inputs)
        boxes = ops.reshape(inputs, (*sizes[:3], self.num, self.coords + 1 + self.classes))
        center, size, objectness, classes = ops.split(
            boxes, [2, self.coords, self.coords + 1], axis=-1
        )
        parts = (
            ops.sigmoid(center) if self.centers else center,
            size,
            ops.sigmoid(objectness),
            ops.softmax(classes, axis=-1) if self.softmax else classes,
        )
        x = ops.concatenate(parts, axis=-1)
        if self.flat:
            return channels_last(ops.reshape(x, (sizes[0], sizes[3], sizes[1], sizes[2])))
        return ops.reshape(x, sizes)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return tuple(input_shape)
