"""Crop. Source: `src/caffe/layers/crop_layer.cpp`."""

from __future__ import annotations

from typing import ClassVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shape, Shapes, caffe_layer, canonical_axis
from keras_fcn.caffe.layers.spatial import FIRST, Spatial, Windows
from keras_fcn.caffe.records import dataclass


@caffe_layer("Crop")
@dataclass(frozen=True, kw_only=True)
class Crop(LayerParams):
    """`CropParameter`: from `axis` on, the first bottom gets the sizes of the second.

    Attributes:
        axis: the first axis that is cropped.
        offset: where the top starts in the bottom, one number for all axes or one for
            each; empty: 0.
    """

    message: ClassVar[str | None] = "crop_param"
    bottom_count: ClassVar[tuple[int, int | None]] = (2, 2)

    axis: int = 2
    offset: tuple[int, ...] = ()

    def offsets(self, rank: int) -> tuple[int, ...]:
        """One offset for each axis that is cropped."""
        axes = rank - canonical_axis(self.axis, rank)
        if len(self.offset) > 1 and len(self.offset) != axes:
            raise NetworkError(
                f"offset: {self.offset} must have one number, or one for each of {axes} axes "
                f"from axis: {self.axis} on"
            )
        return self.offset if len(self.offset) > 1 else (*self.offset, 0)[:1] * axes

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        bottom, reference = bottoms
        rank = len(bottom)
        first = canonical_axis(self.axis, rank)
        if len(reference) < rank:
            raise NetworkError(
                f"axis: {self.axis}: the reference bottom of shape {reference} has not the "
                f"{rank} axes of the first, of shape {bottom}"
            )
        cropped = bottom[:first], reference[first:rank]
        for axis, offset in enumerate(self.offsets(rank), first):
            _check_inside(axis, bottom[axis], reference[axis], offset)
        top: Shape = (*cropped[0], *cropped[1])
        return (top,)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        rank = len(bottoms[0])
        offsets = (*(0,) * canonical_axis(self.axis, rank), *self.offsets(rank))
        return Spatial((tuple(Windows(before=-offset) for offset in offsets[FIRST:]), ()))


def _check_inside(axis: int, size: int | None, wanted: int | None, offset: int) -> None:
    if size is not None and wanted is not None and size - offset < wanted:
        raise NetworkError(
            f"offset: {offset} leaves {size - offset} of {size} positions along axis {axis}, "
            f"the reference bottom has {wanted}"
        )
