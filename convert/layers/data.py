"""Where blobs enter a network: Input, and the data layers of training nets.

Data layers become inputs; the sizes they would read from their source are unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convert.errors import NetworkError
from convert.layers.base import LayerParams, Shape, Shapes, caffe_layer


@caffe_layer("Input")
@dataclass(frozen=True, kw_only=True)
class Input(LayerParams):
    """``InputParameter``: one shape for every top, or one for all."""

    message: ClassVar[str | None] = "input_param"
    bottom_count: ClassVar[tuple[int, int | None]] = (0, 0)
    top_count: ClassVar[tuple[int, int | None]] = (1, None)

    shape: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if any(size < 0 for shape in self.shape for size in shape):
            raise NetworkError(f"shape: {self.shape} has a negative size")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        """The shape of each top; an Input without a shape is taken for an image of any size."""
        if not self.shape:
            return ((None, None, None, None),) * tops
        if len(self.shape) not in (1, tops):
            raise NetworkError(f"{len(self.shape)} shapes for {tops} tops; give 1 or {tops}")
        return self.shape * tops if len(self.shape) == 1 else self.shape


@caffe_layer("Data", "ImageData", "HDF5Data", "MemoryData", "WindowData")
@dataclass(frozen=True, kw_only=True)
class DataLayer(LayerParams):
    """A source of (data, label) batches: images first, then labels."""

    bottom_count: ClassVar[tuple[int, int | None]] = (0, 0)
    top_count: ClassVar[tuple[int, int | None]] = (1, None)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        """(N, C, H, W) for the images, (N,) for labels, all sizes unknown."""
        image: Shape = (None, None, None, None)
        return (image, *((None,),) * (tops - 1))
