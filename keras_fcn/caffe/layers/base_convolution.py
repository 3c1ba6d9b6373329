"""Base classes of Convolution, Deconvolution and Im2col: windows, and a kernel.

Source: `src/caffe/layers/base_conv_layer.cpp`, `im2col_layer.cpp`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Self

from keras_fcn.caffe.definition import Fields, LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import layout
from keras_fcn.caffe.layers.base import (
    Array,
    Filler,
    KerasWeight,
    LayerParams,
    Shape,
    Shapes,
    canonical_axis,
)
from keras_fcn.caffe.layers.spatial import FIRST, IN_PLACE, WHOLE, Axis, Spatial, Windows, only
from keras_fcn.caffe.records import dataclass

SizeRule = Callable[[int | None, int, int, int, int], int | None]
"""(size, kernel, stride, pad, dilation) along an axis -> size of the top."""

_SPATIAL = {  # repeated field -> its two-dimensional form
    "kernel_size": ("kernel_h", "kernel_w"),
    "stride": ("stride_h", "stride_w"),
    "pad": ("pad_h", "pad_w"),
}


@dataclass(frozen=True, kw_only=True)
class Windowed(LayerParams):
    """Windows over the axes behind `axis`; the fields hold 1 or n sizes."""

    message: ClassVar[str | None] = "convolution_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"engine", "force_nd_im2col"})

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...] = (1,)
    pad: tuple[int, ...] = (0,)
    dilation: tuple[int, ...] = (1,)
    axis: int = 1

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        fields = layer.fields.message("convolution_param")
        for field, (field_h, field_w) in _SPATIAL.items():
            fields = _merged(fields, field, field_h, field_w)
        if "kernel_size" not in fields:
            raise NetworkError("field 'kernel_size' is missing")
        params = cls(**cls.values(fields))
        params._check()
        return params

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        spatial = len(self.kernel_size) if len(self.kernel_size) > 1 else 2
        axes = self.axis + 1 + spatial
        enough = len(bottoms[index]) > self.axis + 1 and len(self.kernel_size) == 1
        return None if enough or len(bottoms[index]) == axes else (None,) * axes

    def _check(self) -> None:
        for field in ("kernel_size", "stride", "dilation"):
            if min(getattr(self, field), default=1) < 1:
                raise NetworkError(f"{field}: {getattr(self, field)} must be at least 1")

    def along(self, field: str, axes: int) -> tuple[int, ...]:
        """A spatial field with one size an axis."""
        sizes: tuple[int, ...] = getattr(self, field)
        if len(sizes) == 1:
            return sizes * axes
        if len(sizes) != axes:
            raise NetworkError(f"{field}: {len(sizes)} sizes for {axes} spatial axes")
        return sizes

    def _window_shape(self, bottom: Shape, channels: int | None, rule: SizeRule) -> Shape:
        """The top's shape, with other channels and sizes."""
        axis = canonical_axis(self.axis, len(bottom))
        sizes = bottom[axis + 1 :]
        fields = (self.along(f, len(sizes)) for f in ("kernel_size", "stride", "pad", "dilation"))
        tops = (rule(size, *field) for size, *field in zip(sizes, *fields, strict=True))
        return (*bottom[:axis], channels, *tops)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        rank = len(bottoms[0])
        axis = canonical_axis(self.axis, rank)
        fields = (
            self.along(f, rank - axis - 1) for f in ("kernel_size", "stride", "pad", "dilation")
        )
        behind = (self.windows(*field) for field in zip(*fields, strict=True))
        return only(top, len(bottoms), (*(IN_PLACE,) * axis, WHOLE, *behind)[FIRST:])

    @staticmethod
    def windows(length: int, stride: int, pad: int, dilation: int) -> Axis:
        """Effect along one of the axes behind `axis`."""
        return Windows(length, stride, pad, dilation)


@dataclass(frozen=True, kw_only=True)
class BaseConvolution(Windowed):
    """A kernel and a bias, shared by any number of bottoms of one shape."""

    weight_ranks: ClassVar[tuple[int | None, ...]] = (None, 1)
    bottom_count: ClassVar[tuple[int, int | None]] = (1, None)
    top_count: ClassVar[tuple[int, int | None]] = (1, None)

    num_output: int
    group: int = 1
    bias_term: bool = True
    weight_filler: Filler = Filler()
    bias_filler: Filler = Filler()

    def _check(self) -> None:
        super()._check()
        for field in ("num_output", "group"):
            if getattr(self, field) < 1:
                raise NetworkError(f"{field}: {getattr(self, field)} must be at least 1")
        if self.num_output % self.group:
            raise NetworkError(
                f"num_output: {self.num_output} is not a multiple of group: {self.group}"
            )
        if self.weight_filler.type == "bilinear" and len(set(self.kernel_size)) > 1:
            raise NetworkError(
                f"kernel_size: {self.kernel_size} must be square for weight_filler type 'bilinear'"
            )

    @staticmethod
    def size_rule(
        size: int | None, kernel: int, stride: int, pad: int, dilation: int
    ) -> int | None:
        """Size of the top along an axis."""
        raise NotImplementedError

    def _kernel_channels(self, channels: int | None) -> tuple[int | None, int | None]:
        """The first two sizes of the kernel's blob."""
        raise NotImplementedError

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        if tops != len(bottoms):
            raise NetworkError(f"needs as many tops as bottoms, has {tops} and {len(bottoms)}")
        if any(not _may_be_equal(bottom, bottoms[0]) for bottom in bottoms):
            raise NetworkError(f"bottoms of different shapes {bottoms}")
        channels = bottoms[0][canonical_axis(self.axis, len(bottoms[0]))]
        if channels is not None and channels % self.group:
            raise NetworkError(f"{channels} channels are not a multiple of group: {self.group}")
        return tuple(
            self._window_shape(shape, self.num_output, self.size_rule) for shape in bottoms
        )

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        axis = canonical_axis(self.axis, len(bottoms[0]))
        sizes = self.along("kernel_size", len(bottoms[0]) - axis - 1)
        kernel: Shape = (*self._kernel_channels(bottoms[0][axis]), *sizes)
        return (kernel, (self.num_output,)) if self.bias_term else (kernel,)

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        return [layout.conv_kernel(blobs[0]), *map(layout.bias, blobs[1:])]

    def caffe_blobs(self, weights: Sequence[Array], channels: int | None) -> list[Array]:
        return [layout.conv_kernel_blob(weights[0]), *weights[1:]]


def _may_be_equal(one: Shape, other: Shape) -> bool:
    """Whether two shapes are equal as far as they are known."""
    return len(one) == len(other) and all(
        None in sizes or sizes[0] == sizes[1] for sizes in zip(one, other, strict=True)
    )


def _merged(fields: Fields, field: str, field_h: str, field_w: str) -> Fields:
    """`kernel_h`/`kernel_w` and the like, moved into the repeated field."""
    given = [name for name in (field_h, field_w) if name in fields]
    if not given:
        return fields
    if field in fields:
        raise NetworkError(f"give either {field!r} or {field_h!r} and {field_w!r}, not both")
    if len(given) == 1 and field != "pad":
        raise NetworkError(f"{given[0]!r} needs {field_h!r} and {field_w!r} together")
    sizes = (fields.get(field_h, 0), fields.get(field_w, 0))
    return fields.without(field_h, field_w).with_(**{field: sizes})
