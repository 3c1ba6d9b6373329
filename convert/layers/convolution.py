"""Convolution. Source: ``src/caffe/layers/base_conv_layer.cpp``, ``conv_layer.cpp``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from convert.errors import NetworkError
from convert.layers import layout
from convert.layers.base import (
    Array,
    Filler,
    KerasWeight,
    LayerParams,
    Shape,
    Shapes,
    caffe_layer,
    canonical_axis,
)

_SPATIAL = {  # repeated field -> its two-dimensional form
    "kernel_size": ("kernel_h", "kernel_w"),
    "stride": ("stride_h", "stride_w"),
    "pad": ("pad_h", "pad_w"),
}


@caffe_layer("Convolution")
@dataclass(frozen=True, kw_only=True)
class Convolution(LayerParams):
    """``ConvolutionParameter``; kernel, stride, pad and dilation hold 1 or n sizes."""

    message: ClassVar[str | None] = "convolution_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"engine", "force_nd_im2col"})
    weight_ranks: ClassVar[tuple[int | None, ...]] = (None, 1)
    bottom_count: ClassVar[tuple[int, int | None]] = (1, None)
    top_count: ClassVar[tuple[int, int | None]] = (1, None)

    num_output: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...] = (1,)
    pad: tuple[int, ...] = (0,)
    dilation: tuple[int, ...] = (1,)
    group: int = 1
    bias_term: bool = True
    axis: int = 1
    weight_filler: Filler = Filler()
    bias_filler: Filler = Filler()

    @classmethod
    def read(cls, layer: Any) -> Self:
        message = type(layer.convolution_param)()
        message.CopyFrom(layer.convolution_param)
        for field, (field_h, field_w) in _SPATIAL.items():
            _merge_two_dimensional(message, field, field_h, field_w)
        if not message.kernel_size:
            raise NetworkError("field 'kernel_size' is missing")
        params = cls(**cls.values(message))
        params._check()
        return params

    @classmethod
    def from_blobs(cls, shapes: Sequence[tuple[int, ...]]) -> Self | None:
        if not shapes or len(shapes[0]) < 3:
            return None
        outputs, _, *kernel = shapes[0]
        return cls(num_output=outputs, kernel_size=tuple(kernel), bias_term=len(shapes) > 1)

    def _check(self) -> None:
        for field in ("num_output", "group"):
            if getattr(self, field) < 1:
                raise NetworkError(f"{field}: {getattr(self, field)} must be at least 1")
        for field in ("kernel_size", "stride", "dilation"):
            if min(getattr(self, field)) < 1:
                raise NetworkError(f"{field}: {getattr(self, field)} must be at least 1")
        if self.num_output % self.group:
            raise NetworkError(
                f"num_output: {self.num_output} is not a multiple of group: {self.group}"
            )

    def spatial(self, field: str, axes: int) -> tuple[int, ...]:
        """A spatial field with one size an axis."""
        sizes: tuple[int, ...] = getattr(self, field)
        if len(sizes) == 1:
            return sizes * axes
        if len(sizes) != axes:
            raise NetworkError(f"{field}: {len(sizes)} sizes for {axes} spatial axes")
        return sizes

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        if tops != len(bottoms):
            raise NetworkError(f"needs as many tops as bottoms, has {tops} and {len(bottoms)}")
        if any(bottom != bottoms[0] for bottom in bottoms):
            raise NetworkError(f"bottoms of different shapes {bottoms}")
        return (self._top_shape(bottoms[0]),) * len(bottoms)

    def _top_shape(self, bottom: Shape) -> Shape:
        axis = canonical_axis(self.axis, len(bottom))
        channels = bottom[axis]
        if channels is not None and channels % self.group:
            raise NetworkError(f"{channels} channels are not a multiple of group: {self.group}")
        sizes = bottom[axis + 1 :]
        rules = (self.spatial(f, len(sizes)) for f in ("kernel_size", "stride", "pad", "dilation"))
        spatial = tuple(conv_size(size, *rule) for size, *rule in zip(sizes, *rules, strict=True))
        return (*bottom[:axis], self.num_output, *spatial)

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        axis = canonical_axis(self.axis, len(bottoms[0]))
        channels = bottoms[0][axis]
        kernel = self.spatial("kernel_size", len(bottoms[0]) - axis - 1)
        inputs = None if channels is None else channels // self.group
        weight: Shape = (self.num_output, inputs, *kernel)
        return (weight, (self.num_output,)) if self.bias_term else (weight,)

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        return [layout.conv_kernel(blobs[0]), *map(layout.bias, blobs[1:])]

    def caffe_blobs(self, weights: Sequence[Array], channels: int | None) -> list[Array]:
        return [layout.conv_kernel_blob(weights[0]), *weights[1:]]


def conv_size(size: int | None, kernel: int, stride: int, pad: int, dilation: int) -> int | None:
    """Caffe's output size of a convolution along one axis.

    A division of C++: rounded towards zero, so that one window may reach past the end.
    """
    if size is None:
        return None
    extent = dilation * (kernel - 1) + 1
    room = size + 2 * pad - extent
    if room <= -stride:
        raise NetworkError(
            f"a kernel of extent {extent} does not fit into {size} + 2 * {pad} positions"
        )
    return max(room, 0) // stride + 1


def _merge_two_dimensional(message: Any, field: str, field_h: str, field_w: str) -> None:
    """``kernel_h``/``kernel_w`` and the like, moved into the repeated field."""
    given = [name for name in (field_h, field_w) if message.HasField(name)]
    if not given:
        return
    if getattr(message, field):
        raise NetworkError(f"give either {field!r} or {field_h!r} and {field_w!r}, not both")
    if len(given) == 1 and field != "pad":
        raise NetworkError(f"{given[0]!r} needs {field_h!r} and {field_w!r} together")
    getattr(message, field).extend((getattr(message, field_h), getattr(message, field_w)))
    message.ClearField(field_h)
    message.ClearField(field_w)
