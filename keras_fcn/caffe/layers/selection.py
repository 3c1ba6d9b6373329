"""Layers that pick by index: rows of a batch, or of a table.

Source: `src/caffe/layers/batch_reindex_layer.cpp`, `filter_layer.cpp`,
`embed_layer.cpp`.
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
    Shapes,
    caffe_layer,
    expect_rank,
)
from keras_fcn.caffe.layers.spatial import FIRST_ALONE, IN_PLACE, Spatial, nowhere, only
from keras_fcn.caffe.records import dataclass


@caffe_layer("BatchReindex")
@dataclass(frozen=True)
class BatchReindex(LayerParams):
    """The images of the first bottom in the order that the second one lists."""

    stops_gradient: ClassVar[tuple[int, ...] | None] = (1,)
    gathers_rows: ClassVar[bool] = True
    bottom_count: ClassVar[tuple[int, int | None]] = (2, 2)
    places: ClassVar[Spatial | None] = FIRST_ALONE

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        expect_rank(bottoms[1], 1)
        return ((*bottoms[1], *bottoms[0][1:]),)


@caffe_layer("Filter")
@dataclass(frozen=True)
class Filter(LayerParams):
    """The images of each bottom but the last for which the last, one number an image, is not 0.

    How many they are is known only when the network runs.
    """

    stops_gradient: ClassVar[tuple[int, ...] | None] = (-1,)
    gathers_rows: ClassVar[bool] = True
    bottom_count: ClassVar[tuple[int, int | None]] = (2, None)
    top_count: ClassVar[tuple[int, int | None]] = (1, None)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        *filtered, selector = bottoms
        if tops != len(filtered):
            raise NetworkError(f"needs one top for each bottom but the last, has {tops} tops")
        if any(size not in (1, None) for size in selector[1:]):
            raise NetworkError(f"the last bottom needs one number an image, got shape {selector}")
        if len({bottom[:1] for bottom in bottoms} - {(None,)}) > 1:
            raise NetworkError(f"bottoms of different batch sizes {bottoms}")
        return tuple((None, *bottom[1:]) for bottom in filtered)

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        return only(top, len(bottoms), (IN_PLACE,))


@caffe_layer("Embed")
@dataclass(frozen=True, kw_only=True)
class Embed(LayerParams):
    """`EmbedParameter`: each number of the bottom is the index of a row, a new last axis."""

    stops_gradient: ClassVar[tuple[int, ...] | None] = (0,)
    message: ClassVar[str | None] = "embed_param"
    weight_ranks: ClassVar[tuple[int | None, ...]] = (2, 1)
    places: ClassVar[Spatial | None] = nowhere("rows of a table")

    num_output: int
    input_dim: int
    bias_term: bool = True
    weight_filler: Filler = Filler()
    bias_filler: Filler = Filler()

    def __post_init__(self) -> None:
        for field in ("num_output", "input_dim"):
            if getattr(self, field) < 1:
                raise NetworkError(f"{field}: {getattr(self, field)} must be at least 1")

    @classmethod
    def from_blobs(cls, shapes: Sequence[tuple[int, ...]]) -> Self | None:
        if not shapes or len(shapes[0]) < 2:
            return None
        rows, outputs = shapes[0][-2:]
        return cls(num_output=outputs, input_dim=rows, bias_term=len(shapes) > 1)

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        return ((*bottoms[0], self.num_output),)

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        weight = (self.input_dim, self.num_output)
        return (weight, (self.num_output,)) if self.bias_term else (weight,)

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        table = KerasWeight("embeddings", blobs[0].shape, blobs[0])
        return [table, *map(layout.bias, blobs[1:])]
