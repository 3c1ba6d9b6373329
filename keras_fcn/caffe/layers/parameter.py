"""Parameter. Source: `include/caffe/layers/parameter_layer.hpp`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import layout
from keras_fcn.caffe.layers.base import Array, Filler, KerasWeight, LayerParams, Shapes, caffe_layer
from keras_fcn.caffe.layers.spatial import SOURCE, Spatial
from keras_fcn.caffe.records import dataclass


@caffe_layer("Parameter")
@dataclass(frozen=True, kw_only=True)
class Parameter(LayerParams):
    """`ParameterParameter`: a learned blob as top, zero before it is loaded.

    NormFace's Caffe fills it by `blob_filler`, OpenVINO's by `filler`.
    """

    message: ClassVar[str | None] = "parameter_param"
    bottom_count: ClassVar[tuple[int, int | None]] = (0, 0)
    weight_ranks: ClassVar[tuple[int | None, ...]] = (None,)
    places: ClassVar[Spatial | None] = SOURCE

    shape: tuple[int, ...] = ()
    blob_filler: Filler = Filler()
    filler: Filler = Filler()

    def __post_init__(self) -> None:
        if any(size < 0 for size in self.shape):
            raise NetworkError(f"shape: {self.shape} has a negative size")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        return (self.shape,)

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        return (self.shape,)

    def fillers(self) -> tuple[Filler, ...]:
        return (self.blob_filler if self.filler == Filler() else self.filler,)

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        weight = layout.channels_last(blobs[0])
        return [KerasWeight("parameter", weight.shape, weight)]

    def caffe_blobs(self, weights: Sequence[Array], channels: int | None) -> list[Array]:
        return [layout.channels_first(weights[0])]
