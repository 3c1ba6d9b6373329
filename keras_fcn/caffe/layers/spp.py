"""SPP (spatial pyramid pooling). Source: `src/caffe/layers/spp_layer.cpp`."""

from __future__ import annotations

from typing import ClassVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, Shapes, caffe_layer, expect_rank, product
from keras_fcn.caffe.layers.spatial import WHOLE_MAP, Spatial
from keras_fcn.caffe.records import dataclass

_MOST_LEVELS = 31


@caffe_layer("SPP")
@dataclass(frozen=True, kw_only=True)
class SPP(LayerParams):
    """`SPPParameter`: levels of 1 x 1, 2 x 2, 4 x 4, ... bins, laid end to end."""

    restriction: ClassVar[str] = "`MAX` and `AVE` alone"
    message: ClassVar[str | None] = "spp_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"engine"})
    places: ClassVar[Spatial | None] = WHOLE_MAP

    pyramid_height: int
    pool: str = "MAX"

    def __post_init__(self) -> None:
        if not 1 <= self.pyramid_height <= _MOST_LEVELS:
            raise NetworkError(
                f"pyramid_height: {self.pyramid_height} must be at least 1, and {_MOST_LEVELS} at "
                "most: no blob has positions for more bins"
            )

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        bottom = bottoms[0]
        expect_rank(bottom, 4)
        for level in range(self.pyramid_height):
            for size in bottom[2:]:
                if size is not None:
                    bin_windows(size, 2**level)
        if self.pyramid_height == 1:  # Caffe does not flatten a single level
            return ((*bottom[:2], 1, 1),)
        cells = sum(4**level for level in range(self.pyramid_height))
        return ((bottom[0], product((bottom[1], cells))),)


def bin_windows(size: int, bins: int) -> tuple[int, int]:
    """Length of a bin, and padding before the first one, along an axis.

    There are always `bins` windows: Caffe's pooling drops the one that rounding adds.
    """
    length = -(-size // bins)
    pad = (length * bins - size + 1) // 2
    if pad >= length:
        raise NetworkError(
            f"pyramid_height: {bins} bins do not fit into {size} positions: they would have "
            f"length {length} and padding {pad}"
        )
    return length, pad
