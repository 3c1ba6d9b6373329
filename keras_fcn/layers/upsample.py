"""SegNet's Upsample layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._arguments import pair
from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._spatial import keeps_layout


@keras.saving.register_keras_serializable(package="keras_fcn")
class Upsample(CaffeLayer):
    """Puts each element where a pooling mask says that the maximum was; zeros elsewhere.

    The mask is the second output of `CaffeMaxPooling2D` with `return_mask`. Where
    two elements have the same place, as with pooling windows that overlap, the last one
    in row order stays; each gets the gradient of the place. (On a GPU any one of them may
    stay, in Caffe as here.)

    A place outside the output, which ends Caffe, is an error on the CPU. On a GPU the
    element is lost.

    Source: alexgkendall/caffe-segnet, `src/caffe/layers/upsample_layer.cpp`.

    Args:
        scale: how many times as high and wide the output is: one number, or a (height,
            width) pair.
        pad_out: whether the output has one row, one column less than that.
        size: the output's height and width in pixels, in place of the other two.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        Two tensors (N, H, W, C): the elements, and the mask, `row * width + column` in
        the plane of the output. H and W may be unknown until the graph runs.

    Output shape:
        (N, H', W', C).

    Raises:
        ValueError: arguments that Caffe refuses too.
    """

    def __init__(
        self,
        scale: int | Sequence[int] = 2,
        pad_out: Sequence[bool] = (False, False),
        size: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        # Half precision cannot count the places of a mask.
        super().__init__(autocast=False, **kwargs)
        self.scale = pair(scale, "scale", 2)
        self.pad_out = tuple(bool(less) for less in pad_out)
        self.size = None if size is None else pair(size, "size", 2)
        if any(less and times != 2 for less, times in zip(self.pad_out, self.scale, strict=True)):
            raise ValueError(
                f"pad_out needs a scale of 2. Received: scale={self.scale}, pad_out={self.pad_out}"
            )

    def _sizes(self, sizes: Sequence[Any]) -> tuple[Any, ...]:
        if self.size is not None:
            return self.size
        rules = zip(sizes, self.scale, self.pad_out, strict=True)
        return tuple(None if n is None else n * times - less for n, times, less in rules)

    def call(self, inputs: Sequence[Any]) -> Any:
        """Place the elements of the first input by the second."""
        x, mask = inputs
        sizes = zip(x.shape[1:3], mask.shape[1:3], strict=True)
        if any(None not in pair and pair[0] != pair[1] for pair in sizes):
            raise ValueError(
                f"layer {self.name!r} places maps of {tuple(x.shape[1:3])} by a mask of "
                f"{tuple(mask.shape[1:3])}: the network's scale, pad_out and size are for images "
                "of another size; give it that one, or set them for this one"
            )
        images, rows, columns, channels = ops.shape(x)
        height, width = self._sizes((rows, columns))
        plane = height * width
        places = ops.cast(mask, "int32")
        x = ops.cast(x, self.compute_dtype)
        if keeps_layout(x):
            return self._torch_placed(x, places, height, width)
        image = ops.reshape(ops.arange(images, dtype="int32"), (-1, 1, 1, 1))
        flat = (image * plane + places) * channels + ops.arange(channels, dtype="int32")
        total = images * plane * channels
        inside = ops.logical_and(places >= 0, places < plane)
        flat = ops.where(inside, flat, total)
        try:
            outputs = ops.scatter_update(
                ops.zeros((total,), x.dtype), ops.reshape(flat, (-1, 1)), ops.reshape(x, (-1,))
            )
        except Exception as error:  # TensorFlow's class of it is not Keras'
            if type(error).__name__ != "InvalidArgumentError":
                raise
            raise self._outside(height, width) from None
        return ops.reshape(outputs, (images, height, width, channels))

    def _torch_placed(self, x: Any, places: Any, height: int, width: int) -> Any:
        """The same by PyTorch's scatter, of whose maps one row more takes what lies outside."""
        images, channels, plane = x.shape[0], x.shape[-1], height * width
        inside = (places >= 0) & (places < plane)
        if not x.is_cuda and not inside.all():
            raise self._outside(height, width)
        first = plane * ops.arange(images, dtype="int64")[:, None, None, None]
        rows = (places + first).masked_fill(~inside, images * plane)
        outputs = x.new_zeros((images * plane + 1, channels))
        outputs = outputs.scatter(0, rows.reshape(-1, channels), x.reshape(-1, channels))
        return outputs[:-1].reshape(images, height, width, channels)

    def _outside(self, height: Any, width: Any) -> ValueError:
        return ValueError(
            f"layer {self.name!r}: the mask has places outside of the {height} x {width} "
            "output; the network's scale, pad_out and size are for images of another size; "
            "give it that one, or set them for this one"
        )

    def compute_output_shape(self, input_shape: Sequence[Any]) -> tuple[int | None, ...]:
        """(N, H', W', C)."""
        images, *sizes, channels = input_shape[0]
        return (images, *self._sizes(sizes), channels)
