"""The `Upsample` layers of two kinds of forks, told apart by the number of bottoms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from keras_fcn.caffe.definition import Fields, LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shape, Shapes, caffe_layer, expect_rank
from keras_fcn.caffe.layers.spatial import Spatial, Spread, Unpooled
from keras_fcn.caffe.records import dataclass

_SIZES = ("upsample_h", "upsample_w")
_SCALES = ("scale_h", "scale_w")
_PADS = ("pad_out_h", "pad_out_w")


@caffe_layer("Upsample", dialect="segnet")
@dataclass(frozen=True, kw_only=True)
class SegNetUpsample(LayerParams):
    """`UpsampleParameter`: puts each element where the mask says, zeros elsewhere.

    The mask is the second top of a Pooling. Source: alexgkendall/caffe-segnet,
    `src/caffe/layers/upsample_layer.cpp`.

    Attributes:
        scale: how many times as high and wide the top is, (height, width).
        pad_out: whether one row, one column less.
        size: the top's height and width, in place of the other two.
    """

    message: ClassVar[str | None] = "upsample_param"
    bottom_count: ClassVar[tuple[int, int | None]] = (2, 2)
    in_place: ClassVar[bool] = False

    scale: tuple[int, int] = (2, 2)
    pad_out: tuple[bool, bool] = (False, False)
    size: tuple[int, int] | None = None

    @classmethod
    def recognizes(
        cls, layer: LayerDefinition, stored: Sequence[tuple[int, ...]] | None
    ) -> bool | None:
        return len(layer.bottoms) != 1

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        given = layer.fields.message("upsample_param")
        size = _pair(given, _SIZES)
        if size is not None:
            return cls(size=size)
        scale = _pair(given, _SCALES)
        if scale is not None and "scale" in given:
            raise NetworkError("give either 'scale' or 'scale_h' and 'scale_w', not both")
        if scale is None:
            scale = (given["scale"],) * 2 if "scale" in given else cls.scale
        return cls(scale=scale, pad_out=tuple(given.get(name, False) for name in _PADS))

    def write(self) -> Fields:
        if self.size is not None:
            return Fields(dict(zip(_SIZES, self.size, strict=True))).within("upsample_param")
        pads = zip(_PADS, self.pad_out, strict=True)
        fields: dict[str, Any] = {name: less for name, less in pads if less}
        if len(set(self.scale)) > 1:
            fields |= zip(_SCALES, self.scale, strict=True)
        elif self.scale != SegNetUpsample.scale:
            fields["scale"] = self.scale[0]
        return Fields(fields).within("upsample_param")

    def __post_init__(self) -> None:
        if self.size is not None and min(self.size) < 2:
            raise NetworkError(f"upsample_h, upsample_w: {self.size} must be at least 2")
        if min(self.scale) < 2:
            raise NetworkError(f"scale: {self.scale} must be at least 2")
        if any(p and s != 2 for p, s in zip(self.pad_out, self.scale, strict=True)):
            raise NetworkError(f"pad_out: {self.pad_out} needs scale: 2, has {self.scale}")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        for bottom in bottoms:
            expect_rank(bottom, 4)
        values, mask = bottoms
        if any(None not in pair and pair[0] != pair[1] for pair in zip(values, mask, strict=True)):
            raise NetworkError(f"the mask has shape {mask}, but what it places has {values}")
        if self.size is not None:
            return ((*values[:2], *self.size),)
        rules = zip(values[2:], self.scale, self.pad_out, strict=True)
        top: Shape = tuple(None if n is None else n * scale - pad for n, scale, pad in rules)
        return ((*values[:2], *top),)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        axes = tuple(map(Unpooled, self.size or (None, None)))
        return Spatial((axes, axes), mask=1)


@caffe_layer("Upsample", dialect="yolo")
@dataclass(frozen=True, kw_only=True)
class NearestUpsample(LayerParams):
    """`UpsampleParameter`: repeats each element `scale` times along height and width.

    Source: eric612/MobileNet-YOLO, `src/caffe/layers/upsample_layer.cpp`.
    """

    message: ClassVar[str | None] = "upsample_param"
    in_place: ClassVar[bool] = False

    scale: int = 1

    @classmethod
    def recognizes(
        cls, layer: LayerDefinition, stored: Sequence[tuple[int, ...]] | None
    ) -> bool | None:
        return len(layer.bottoms) == 1

    def __post_init__(self) -> None:
        if self.scale < 1:
            raise NetworkError(f"scale: {self.scale} must be at least 1")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        expect_rank(bottoms[0], 4)
        sizes = (None if size is None else size * self.scale for size in bottoms[0][2:])
        return ((*bottoms[0][:2], *sizes),)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        return Spatial(((Spread(self.scale, self.scale),),))


def _pair(fields: Fields, names: tuple[str, str]) -> tuple[int, int] | None:
    """Two fields that must be given together, or not at all."""
    given = [name for name in names if name in fields]
    if len(given) == 1:
        raise NetworkError(f"{given[0]!r} needs {names[0]!r} and {names[1]!r} together")
    return (fields[names[0]], fields[names[1]]) if given else None
