"""Layers over clips (N, C, L, H, W) of L frames.

Source: `convolution3d_layer.cpp`, `deconvolution3d_layer.cpp` and `pool3d_layer.cpp` of
facebookarchive/C3D, v1.0 and v1.1. What v1.0 says in `convolution_param` and
`pooling_param` stands here in the messages of v1.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import layout
from keras_fcn.caffe.layers.base import (
    Array,
    Filler,
    KerasWeight,
    LayerParams,
    Shape,
    Shapes,
    caffe_layer,
    expect_rank,
)
from keras_fcn.caffe.layers.convolution import conv_size
from keras_fcn.caffe.layers.deconvolution import deconv_size
from keras_fcn.caffe.layers.pooling import pool_size
from keras_fcn.caffe.layers.spatial import Spatial, Spread, Windows
from keras_fcn.caffe.records import dataclass

Sizes = tuple[int, int, int]
"""Frames, height, width."""


@dataclass(frozen=True, kw_only=True)
class Volumetric(LayerParams):
    """Windows of `kernel_depth` frames and `kernel_size` squared pixels."""

    kernel_size: int
    kernel_depth: int
    stride: int = 1
    temporal_stride: int = 1
    pad: int = 0

    @property
    def kernel(self) -> Sizes:
        """Sizes of a window."""
        return self.kernel_depth, self.kernel_size, self.kernel_size

    @property
    def strides(self) -> Sizes:
        """Steps from one window to the next."""
        return self.temporal_stride, self.stride, self.stride

    @property
    def padding(self) -> Sizes:
        """Zeros on both sides of each axis."""
        return 0, self.pad, self.pad

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        return None if len(bottoms[0]) == 5 else (None,) * 5

    def _check_positive(self, *fields: str) -> None:
        for field in ("kernel_size", "kernel_depth", "stride", "temporal_stride", *fields):
            if getattr(self, field) < 1:
                raise NetworkError(f"{field}: {getattr(self, field)} must be at least 1")


@caffe_layer("Convolution3D")
@dataclass(frozen=True, kw_only=True)
class Convolution3D(Volumetric):
    """`Convolution3DParameter`; its groups only save memory, they change no number."""

    message: ClassVar[str | None] = "convolution3d_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"group", "filter_group"})
    weight_ranks: ClassVar[tuple[int | None, ...]] = (5, 1)
    in_place: ClassVar[bool] = False

    num_output: int
    bias_term: bool = True
    temporal_pad: int = 0
    weight_filler: Filler = Filler()
    bias_filler: Filler = Filler()

    def __post_init__(self) -> None:
        self._check_positive("num_output")

    @classmethod
    def from_blobs(cls, shapes: Sequence[tuple[int, ...]]) -> Self | None:
        if not shapes or len(shapes[0]) != 5:
            return None
        outputs, _, depth, _, width = shapes[0]
        return cls(
            num_output=outputs, kernel_depth=depth, kernel_size=width, bias_term=len(shapes) > 1
        )

    @property
    def padding(self) -> Sizes:
        return self.temporal_pad, self.pad, self.pad

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        bottom = bottoms[0]
        expect_rank(bottom, 5)
        along = zip(bottom[2:], self.kernel, self.strides, self.padding, strict=True)
        return ((bottom[0], self.num_output, *(conv_size(*axis, 1) for axis in along)),)

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        kernel = (self.num_output, bottoms[0][1], *self.kernel)
        return (kernel, (self.num_output,)) if self.bias_term else (kernel,)

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        return [layout.conv_kernel(blobs[0]), *map(layout.bias, blobs[1:])]

    def caffe_blobs(self, weights: Sequence[Array], channels: int | None) -> list[Array]:
        return [layout.conv_kernel_blob(weights[0]), *weights[1:]]

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        axes = zip(self.kernel, self.strides, self.padding, strict=True)
        return Spatial((tuple(Windows(*axis) for axis in axes),))


@caffe_layer("Deconvolution3D")
@dataclass(frozen=True, kw_only=True)
class Deconvolution3D(Convolution3D):
    """`Convolution3DParameter` of the gradient of a Convolution3D: more frames and pixels."""

    @classmethod
    def from_blobs(cls, shapes: Sequence[tuple[int, ...]]) -> Self | None:
        if not shapes or len(shapes[0]) != 5:
            return None
        _, outputs, depth, _, width = shapes[0]
        return cls(
            num_output=outputs, kernel_depth=depth, kernel_size=width, bias_term=len(shapes) > 1
        )

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        bottom = bottoms[0]
        expect_rank(bottom, 5)
        along = zip(bottom[2:], self.kernel, self.strides, self.padding, strict=True)
        return ((bottom[0], self.num_output, *(deconv_size(*axis, 1) for axis in along)),)

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        kernel = (bottoms[0][1], self.num_output, *self.kernel)
        return (kernel, (self.num_output,)) if self.bias_term else (kernel,)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        axes = zip(self.kernel, self.strides, self.padding, strict=True)
        return Spatial((tuple(Spread(*axis) for axis in axes),))


@caffe_layer("Pooling3D")
@dataclass(frozen=True, kw_only=True)
class Pooling3D(Volumetric):
    """`Pooling3DParameter`; `pad` is for the mean only, and pads no frames."""

    restriction: ClassVar[str] = "`MAX` and `AVE` alone"
    message: ClassVar[str | None] = "pooling3d_param"
    in_place: ClassVar[bool] = False

    pool: str = "MAX"

    def __post_init__(self) -> None:
        self._check_positive()
        if self.pad and self.pool != "AVE":
            raise NetworkError(f"pad: {self.pad} needs pool: AVE, it is {self.pool}")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        bottom = bottoms[0]
        expect_rank(bottom, 5)
        along = zip(bottom[2:], self.kernel, self.strides, self.padding, strict=True)
        return ((*bottom[:2], *(pool_size(*axis, "CEIL", clip=False) for axis in along)),)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        axes = zip(self.kernel, self.strides, self.padding, strict=True)
        return Spatial((tuple(Windows(*axis, overhang=axis[1] - 1) for axis in axes),))
