"""Interp, bilinear resizing of the DeepLab and PSPNet forks."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any, ClassVar, Self

from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shapes, caffe_layer, expect_rank
from keras_fcn.caffe.layers.spatial import FIRST, Resampled, Spatial, stretched
from keras_fcn.caffe.records import dataclass


@caffe_layer("Interp")
@dataclass(frozen=True, kw_only=True)
class Interp(LayerParams):
    """`InterpParameter`: bilinear resizing in which the corners keep their positions.

    The size follows from one factor where only one is given; else it is `height` and
    `width`; else that of shrinking first and zooming then; else the second bottom's.
    Source: the DeepLab v2 Caffe, `src/caffe/layers/interp_layer.cpp`, which is copied in
    maweifei/deeplab-ver2; PSPNet and ICNet use the same layer.

    Attributes:
        height: the top's height in pixels.
        width: the top's width in pixels.
        zoom_factor: n pixels become (n - 1) * `zoom_factor` + 1.
        shrink_factor: n pixels become (n - 1) // `shrink_factor` + 1.
        pad_beg: less than 0: pixels cut from the beginning of each axis before.
        pad_end: less than 0: pixels cut from its end.
    """

    message: ClassVar[str | None] = "interp_param"
    bottom_count: ClassVar[tuple[int, int | None]] = (1, 2)
    in_place: ClassVar[bool] = False

    height: int | None = None
    width: int | None = None
    zoom_factor: int | None = None
    shrink_factor: int | None = None
    pad_beg: int = 0
    pad_end: int = 0

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        params = super().read(layer)
        if params.rule == (None, None, None) and len(layer.bottoms) < 2:
            raise NetworkError(
                "no size is given: set 'height' and 'width', 'zoom_factor' or 'shrink_factor', "
                "or add a second bottom"
            )
        return params

    def __post_init__(self) -> None:
        for name in ("pad_beg", "pad_end"):
            if getattr(self, name) > 0:
                raise NetworkError(f"{name}: {getattr(self, name)} must not be more than 0")
        for name in ("height", "width", "zoom_factor", "shrink_factor"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise NetworkError(f"{name}: {value} must be at least 1")
        if (self.height is None) != (self.width is None):
            raise NetworkError("'height' and 'width' must be given together")

    @property
    def rule(self) -> tuple[tuple[int, int] | None, int | None, int | None]:
        """The settings of the top's size: (height, width), zoom factor, shrink factor.

        All are None where the second bottom gives it.
        """
        one_factor = (self.zoom_factor is None) != (self.shrink_factor is None)
        if one_factor or self.height is None or self.width is None:
            return None, self.zoom_factor, self.shrink_factor
        return (self.height, self.width), None, None

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        for bottom in bottoms:
            expect_rank(bottom, 4)
        size, *factors = self.rule
        pad = self.pad_beg + self.pad_end
        sizes = tuple(interp_size(pixels, pad, *factors) for pixels in bottoms[0][2:])
        if factors == [None, None]:
            if size is None and len(bottoms) == 1:
                raise NetworkError("give height and width, a factor, or a second bottom")
            sizes = bottoms[1][2:] if size is None else size
        return ((*bottoms[0][:2], *sizes),)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        fixed, zoom, shrink = self.rule
        sizes = self.top_shapes(bottoms, 1)[0][FIRST:]
        axes = []
        for before, after in zip(bottoms[0][FIRST:], sizes, strict=True):
            rest = None if before is None else before + self.pad_beg + self.pad_end
            axis = stretched(rest, after, after if fixed else None)
            if zoom is not None and shrink is None:  # the same for every size
                axis = Resampled(Fraction(1, zoom))
            axes.append(dataclasses.replace(axis, start=Fraction(-self.pad_beg)))
        return Spatial((tuple(axes), ()))


def interp_size(size: Any, pad: int, zoom: int | None, shrink: int | None) -> Any:
    """Caffe's size of an Interp along one axis.

    Args:
        size: the bottom's; None, or a number that only the running graph knows.
        pad: `pad_beg` + `pad_end`.
        zoom: `zoom_factor`.
        shrink: `shrink_factor`.

    Raises:
        NetworkError: nothing is left of the bottom.
    """
    if size is None:
        return None
    rest = size + pad
    if isinstance(rest, int) and rest < 1:
        raise NetworkError(f"pad_beg and pad_end cut {-pad} pixels from {size}, none is left")
    if shrink is not None:
        rest = (rest - 1) // shrink + 1
    return rest if zoom is None else (rest - 1) * zoom + 1
