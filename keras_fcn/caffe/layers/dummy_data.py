"""DummyData. Source: `src/caffe/layers/dummy_data_layer.cpp`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self, TypeVar

from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import Filler, LayerParams, Shapes, caffe_layer
from keras_fcn.caffe.layers.spatial import SOURCE, Spatial
from keras_fcn.caffe.records import dataclass

_SIZES = ("num", "channels", "height", "width")
_T = TypeVar("_T")


@caffe_layer("DummyData")
@dataclass(frozen=True, kw_only=True)
class DummyData(LayerParams):
    """`DummyDataParameter`: filled blobs; those not constant are filled anew at each pass.

    `shape` and `data_filler` hold one entry, or one for each top.
    """

    has_gradient: ClassVar[bool] = False
    message: ClassVar[str | None] = "dummy_data_param"
    bottom_count: ClassVar[tuple[int, int | None]] = (0, 0)
    top_count: ClassVar[tuple[int, int | None]] = (1, None)
    places: ClassVar[Spatial | None] = SOURCE

    shape: tuple[tuple[int, ...], ...]
    data_filler: tuple[Filler, ...] = ()

    def __post_init__(self) -> None:
        if any(size < 0 for shape in self.shape for size in shape):
            raise NetworkError(f"shape: {self.shape} has a negative size")

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        fields = layer.fields.message("dummy_data_param")
        sizes = {name: fields.get(name, ()) for name in _SIZES}
        if any(sizes.values()):
            if "shape" in fields:
                raise NetworkError(f"give either 'shape' or {', '.join(_SIZES)}, not both")
            columns = [_one_each(name, given, len(layer.tops)) for name, given in sizes.items()]
            shapes = [{"dim": shape} for shape in zip(*columns, strict=True)]
            fields = fields.without(*_SIZES).with_(shape=shapes)
        return cls(**cls.values(fields))

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        self.top_fillers(tops)
        return _one_each("shape", self.shape, tops)

    def top_fillers(self, tops: int) -> tuple[Filler, ...]:
        """Fillers of the tops."""
        return _one_each("data_filler", self.data_filler or (Filler(),), tops)


def _one_each(field: str, given: Sequence[_T], tops: int) -> tuple[_T, ...]:
    if len(given) not in (1, tops):
        raise NetworkError(f"{field}: given {len(given)} times for {tops} tops; give 1 or {tops}")
    return tuple(given) if len(given) == tops else tuple(given) * tops
