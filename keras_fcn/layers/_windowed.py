"""Base class of layers with Caffe's convolution windows: sizes an axis, and `axis`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.layers._arguments import sizes
from keras_fcn.layers._axes import (
    channels_first,
    channels_first_shape,
    channels_last,
    channels_last_shape,
)
from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]


class SpatialAxis(NamedTuple):
    """Windows along one spatial axis."""

    length: int
    stride: int
    pad: int
    dilation: int

    @property
    def extent(self) -> int:
        """Positions from the first to the last one of a window."""
        return self.dilation * (self.length - 1) + 1


class WindowedLayer(CaffeLayer):
    """Windows over the axes behind Caffe's `axis`; arguments hold 1 or n sizes."""

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation_rate: int | Sequence[int] = 1,
        axis: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_size = sizes(kernel_size, "kernel_size", 1)
        self.strides = sizes(strides, "strides", 1)
        self.padding = sizes(padding, "padding", 0)
        self.dilation_rate = sizes(dilation_rate, "dilation_rate", 1)
        self.axis = axis

    def _channel_axis(self, rank: int) -> int:
        """`axis`, counted from the front."""
        if not -rank <= self.axis < rank:
            raise ValueError(
                f"axis must be one of the input's. Received: axis={self.axis} for {rank} axes"
            )
        return self.axis % rank

    def _spatial(self, count: int) -> list[SpatialAxis]:
        """Windows along each of `count` spatial axes."""
        fields = []
        for name in ("kernel_size", "strides", "padding", "dilation_rate"):
            field = getattr(self, name)
            if len(field) not in (1, count):
                raise ValueError(
                    f"{name} must have one size, or one for each spatial axis. "
                    f"Received: {name}={field} for {count} spatial axes"
                )
            fields.append(field * count if len(field) == 1 else field)
        return [SpatialAxis(*axis) for axis in zip(*fields, strict=True)]

    def _top_shape(
        self, input_shape: Shape, channels: int | None, rule: Callable[..., int | None]
    ) -> Shape:
        """The output's shape by one of the converter's rules for sizes."""
        shape = channels_first_shape(input_shape)
        axis = self._channel_axis(len(shape))
        spatial = shape[axis + 1 :]
        try:
            along = zip(spatial, self._spatial(len(spatial)), strict=True)
            found = tuple(rule(size, *windows) for size, windows in along)
        except NetworkError as error:
            raise ValueError(f"{error}. Received: input_shape={tuple(input_shape)}") from error
        return channels_last_shape((*shape[:axis], channels, *found))

    def _over_images(self, x: Any, function: Callable[[Any], Any], channels: int) -> Any:
        """Apply a function of images (N, ..., C) whose channels are at `axis`.

        In Caffe all axes before `axis` count images.
        """
        axis = self._channel_axis(len(x.shape))
        if axis == 1:
            return function(x)
        x = channels_first(x)
        shape = ops.shape(x)
        images = ops.reshape(ops.moveaxis(x, axis, -1), (-1, *shape[axis + 1 :], channels))
        outputs = function(images)
        outputs = ops.reshape(outputs, (*shape[:axis], *ops.shape(outputs)[1:]))
        return channels_last(ops.moveaxis(outputs, -1, axis))


def padded(x: Any, axes: Sequence[SpatialAxis]) -> Any:
    """Images with zeros around them, up to the end of the last window.

    With strides, Caffe's division gives a window even where none fits: it reads zeros
    behind the padding.
    """
    margins = []
    for size, axis in zip(ops.shape(x)[1:], axes, strict=False):
        missing = 0
        if axis.stride > 1:
            room = axis.extent - size - 2 * axis.pad
            missing = max(room, 0) if isinstance(size, int) else ops.maximum(room, 0)
        margins.append((axis.pad, axis.pad + missing))
    if all(isinstance(end, int) and end == 0 for _, end in margins):
        return x
    return ops.pad(x, [(0, 0), *margins, (0, 0)])
