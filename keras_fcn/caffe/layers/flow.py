"""Layers of optical flow networks, and resizing.

Sources: `resample_layer.cu`, `flow_warp_layer.cpp` and `accum_layer.cpp` of
lmb-freiburg/flownet2; `resize_layer.cpp` of happynear/caffe-windows.
"""

from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shape, Shapes, caffe_layer, expect_rank
from keras_fcn.caffe.layers.spatial import FIRST, IN_PLACE, WHOLE, Resampled, Spatial, stretched
from keras_fcn.caffe.records import dataclass


@caffe_layer("Resample")
@dataclass(frozen=True, kw_only=True)
class Resample(LayerParams):
    """`ResampleParameter`: the map in another size, its own or that of a second bottom."""

    restriction: ClassVar[str] = "no `AREA`, which its source lacks too"
    message: ClassVar[str | None] = "resample_param"
    bottom_count: ClassVar[tuple[int, int | None]] = (1, 2)
    in_place: ClassVar[bool] = False

    width: int = 0
    height: int = 0
    type: str = "LINEAR"
    antialias: bool = True

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        if self.type == "AREA":
            raise NetworkError("type: AREA is not implemented, only NEAREST, LINEAR and CUBIC")
        for bottom in bottoms:
            expect_rank(bottom, 4)
        if len(bottoms) == 1 and min(self.height, self.width) < 1:
            raise NetworkError(
                f"height: {self.height} and width: {self.width} must be at least 1, or a second "
                "bottom must give the size"
            )
        sizes: Shape = bottoms[1][2:] if len(bottoms) > 1 else (self.height, self.width)
        return ((*bottoms[0][:2], *sizes),)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        """Each axis takes half the position of the other one, see `keras_fcn.layers.Resample`."""
        after = self.top_shapes(bottoms, 1)[0][FIRST:]
        steps = _steps(bottoms[0][FIRST:], after)
        known = [step for step in steps if step is not None]
        if len(known) < len(steps):
            return Spatial(((Resampled(None),), ()))
        widens = self.antialias and max(known) > 1 and self.type != "NEAREST"
        taps = Fraction(2 if self.type == "CUBIC" else 1)
        axes = (
            Resampled(own, other / 2 - Fraction(1, 2), (own if widens else 1) * taps)
            for own, other in zip(known, reversed(known), strict=True)
        )
        return Spatial((tuple(axes), ()))


@caffe_layer("Resize")
@dataclass(frozen=True, kw_only=True)
class Resize(LayerParams):
    """`ResizeParameter`: to a size, or with `is_pyramid_test` by a factor."""

    message: ClassVar[str | None] = "resize_param"
    in_place: ClassVar[bool] = False

    is_pyramid_test: bool = False
    height: int = 0
    width: int = 0
    out_height_scale: float = 0.0
    out_width_scale: float = 0.0

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        expect_rank(bottoms[0], 4)
        fields = ("out_height_scale", "out_width_scale")
        if not self.is_pyramid_test:
            fields = ("height", "width")
        for field in fields:
            if getattr(self, field) <= 0:
                raise NetworkError(f"{field}: {getattr(self, field)} must be above 0")
        sizes: Shape = (self.height, self.width)
        if self.is_pyramid_test:
            scales = (self.out_height_scale, self.out_width_scale)
            pairs = zip(bottoms[0][2:], scales, strict=True)
            sizes = tuple(None if size is None else int(scale * size) for size, scale in pairs)
        return ((*bottoms[0][:2], *sizes),)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        after = self.top_shapes(bottoms, 1)[0][FIRST:]
        return Spatial((tuple(map(Resampled, _steps(bottoms[0][FIRST:], after))),))


@caffe_layer("FlowWarp")
@dataclass(frozen=True, kw_only=True)
class FlowWarp(LayerParams):
    """`FlowWarpParameter`: the image where a flow field, (N, 2, H, W), points to."""

    message: ClassVar[str | None] = "flow_warp_param"
    bottom_count: ClassVar[tuple[int, int | None]] = (2, 2)
    in_place: ClassVar[bool] = False
    places: ClassVar[Spatial | None] = Spatial(((WHOLE,), (IN_PLACE,)))

    fill_value: str = "ZERO"

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        image, flow = bottoms
        expect_rank(image, 4)
        pairs = zip((*image[:1], 2, *image[2:]), flow, strict=False)
        if len(flow) != 4 or any(None not in pair and pair[0] != pair[1] for pair in pairs):
            raise NetworkError(
                f"needs a flow of 2 channels in the image's size, got {image} and {flow}"
            )
        return bottoms[:1]


@caffe_layer("Accum")
@dataclass(frozen=True, kw_only=True)
class Accum(LayerParams):
    """`AccumParameter`: maps in one size, side by side.

    With `have_reference` the last bottom only gives the size. Else it is the largest of
    the bottoms, or a larger one that `top_height` and `top_width` or
    `size_divisible_by` ask for.
    """

    message: ClassVar[str | None] = "accum_param"
    bottom_count: ClassVar[tuple[int, int | None]] = (1, None)
    in_place: ClassVar[bool] = False

    top_height: int = 0
    top_width: int = 0
    size_divisible_by: int = 0
    have_reference: bool = False

    def maps(self, bottoms: Shapes) -> int:
        """Number of bottoms that are put side by side."""
        return len(bottoms) - self.have_reference

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        for bottom in bottoms:
            expect_rank(bottom, 4)
        maps = bottoms[: self.maps(bottoms)]
        if not maps:
            raise NetworkError("have_reference: true needs a bottom besides the reference")
        known = [bottom[1] for bottom in maps if bottom[1] is not None]
        channels = sum(known) if len(known) == len(maps) else None
        sizes = [(h, w) for *_, h, w in bottoms if h is not None and w is not None]
        if len(sizes) < len(bottoms):
            return ((maps[0][0], channels, None, None),)
        return ((maps[0][0], channels, *self.size(sizes)),)

    def size(self, sizes: list[tuple[int, int]]) -> tuple[int, int]:
        """Height and width of the top, from those of the bottoms."""
        if self.have_reference:
            return sizes[-1]
        height, width = (max(axis) for axis in zip(*sizes, strict=True))
        wanted = self.top_height, self.top_width
        if self.size_divisible_by:
            step = self.size_divisible_by
            wanted = (-(-height // step) * step, -(-width // step) * step)
        # Both must be larger, or neither counts.
        return wanted if wanted[0] > height and wanted[1] > width else (height, width)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        sizes = self.top_shapes(bottoms, 1)[0][FIRST:]
        maps = bottoms[: self.maps(bottoms)]
        axes = (tuple(map(stretched, each[FIRST:], sizes)) for each in maps)
        return Spatial((*axes, ()) if self.have_reference else tuple(axes))


def _steps(before: Shape, after: Shape) -> list[Fraction | None]:
    """Positions of the bottom for each one of the top, along each axis; None: not known."""
    return [
        None if old is None or new is None else Fraction(old, new)
        for old, new in zip(before, after, strict=True)
    ]
