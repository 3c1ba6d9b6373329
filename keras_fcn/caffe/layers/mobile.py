"""Layers of forks for small networks: depthwise convolution, ReLU6, ShuffleChannel, Axpy.

Sources: github.com/yonghenglh6/DepthwiseConvolution; BVLC/caffe pull request 5665
(`conv_dw_layer.cpp`); github.com/openvinotoolkit/training_toolbox_caffe
(`relu6_layer.cpp`); github.com/farmingyard/ShuffleNet (`shuffle_channel_layer.cpp`);
github.com/hujie-frank/SENet (`axpy_layer.cpp`).
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shape, Shapes, caffe_layer, canonical_axis
from keras_fcn.caffe.layers.convolution import Convolution
from keras_fcn.caffe.layers.elementwise import Elementwise
from keras_fcn.caffe.layers.spatial import ELEMENTWISE, IN_PLACE, WHOLE, Channels, Spatial
from keras_fcn.caffe.records import dataclass


@caffe_layer(
    "DepthwiseConvolution", "ConvolutionDepthwise", "ConvolutionDepthWise", "DepthwiseConv"
)
@dataclass(frozen=True, kw_only=True)
class DepthwiseConvolution(Convolution):
    """`ConvolutionParameter`: a convolution with a group for each channel.

    Some forks want `group` in the file, others ignore it.
    """

    def as_convolution(self, bottom: Shape) -> Convolution:
        """The Convolution that does the same to a bottom of this shape."""
        channels = bottom[canonical_axis(self.axis, len(bottom))]
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if self.group == 1 and channels is not None:
            fields["group"] = channels
        same = Convolution(**fields)
        same._check()
        return same

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        return self.as_convolution(bottoms[0]).top_shapes(bottoms, tops)

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        return self.as_convolution(bottoms[0]).weight_shapes(bottoms)


@caffe_layer("ReLU6")
@dataclass(frozen=True, kw_only=True)
class ReLU6(Elementwise):
    """`ReLU6Parameter`: min(n, max(x, 0) + negative_slope * min(x, 0))."""

    message: ClassVar[str | None] = "relu6_param"

    n: float = 6.0
    negative_slope: float = 0.0

    def __post_init__(self) -> None:
        for field in ("n", "negative_slope"):
            if getattr(self, field) < 0:
                raise NetworkError(f"{field}: {getattr(self, field)} must not be negative")


@caffe_layer("ShuffleChannel")
@dataclass(frozen=True, kw_only=True)
class ShuffleChannel(LayerParams):
    """`ShuffleChannelParameter`: the first channels of all groups, then the second ones ..."""

    message: ClassVar[str | None] = "shuffle_channel_param"
    in_place: ClassVar[bool] = False
    places: ClassVar[Spatial | None] = ELEMENTWISE

    group: int = 1

    def __post_init__(self) -> None:
        if self.group < 1:
            raise NetworkError(f"group: {self.group} must be at least 1")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        channels = bottoms[0][1] if len(bottoms[0]) > 1 else None
        if channels is not None and channels % self.group:
            raise NetworkError(f"{channels} channels are not a multiple of group: {self.group}")
        return bottoms[:1]

    @property
    def channels(self) -> Channels | None:
        return Channels.ALONG


@caffe_layer("Axpy")
@dataclass(frozen=True, kw_only=True)
class Axpy(LayerParams):
    """a * x + y for bottoms a, x, y; a has a number for each channel of x."""

    in_place: ClassVar[bool] = False
    bottom_count: ClassVar[tuple[int, int | None]] = (3, 3)
    places: ClassVar[Spatial | None] = Spatial(((WHOLE,), (IN_PLACE,)))

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        scale, x, y = bottoms
        if _differ(x, y):
            raise NetworkError(f"bottoms x and y of different shapes {x} and {y}")
        if len(scale) not in (2, 4) or _differ(scale, (*x[:2], *(1,) * (len(scale) - 2))):
            raise NetworkError(f"bottom a of shape {scale} has no number for each channel of {x}")
        return (x,)


def _differ(one: Shape, other: Shape) -> bool:
    """Whether two shapes differ as far as they are known."""
    return len(one) != len(other) or any(
        None not in sizes and sizes[0] != sizes[1] for sizes in zip(one, other, strict=True)
    )
