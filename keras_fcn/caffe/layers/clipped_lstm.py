"""The Lstm layer of two forks, which clips gradients. Its gates are those of Caffe's LSTM.

Sources: `src/caffe/layers/lstm_layer.cpp` and `.cu` of junhyukoh/caffe-lstm, whose time
steps and streams share an axis, and of tianzhi0549/CTPN, which parts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import layout
from keras_fcn.caffe.layers.base import (
    Array,
    Filler,
    KerasWeight,
    LayerParams,
    Shape,
    Shapes,
    caffe_layer,
    product,
)
from keras_fcn.caffe.layers.spatial import Spatial, nowhere
from keras_fcn.caffe.records import dataclass

_NAMES = ("kernel", "recurrent_kernel", "bias")


@dataclass(frozen=True, kw_only=True)
class ClippedLSTM(LayerParams):
    """`LSTMParameter`: N independent streams over T time steps.

    A second bottom tells, for each step and stream, whether the sequence goes on (1) or a
    new one begins (0); with it the state is kept from pass to pass, without it each pass
    begins anew.

    Attributes:
        num_output: units.
        clipping_threshold: the gradients of the gates are cut at it; 0: they are not.
    """

    message: ClassVar[str | None] = "lstm_param"
    in_place: ClassVar[bool] = False
    bottom_count: ClassVar[tuple[int, int | None]] = (1, 2)
    weight_ranks: ClassVar[tuple[int | None, ...]] = (2, 2, 1)
    inputs_from: ClassVar[int] = 2
    """The first axis that holds a step's input."""
    places: ClassVar[Spatial | None] = nowhere("time steps and streams")

    num_output: int
    clipping_threshold: float = 0.0
    weight_filler: Filler = Filler()
    bias_filler: Filler = Filler()
    batch_size: int = 1

    def __post_init__(self) -> None:
        for name in ("num_output", "batch_size"):
            if getattr(self, name) < 1:
                raise NetworkError(f"{name}: {getattr(self, name)} must be at least 1")

    @classmethod
    def from_blobs(cls, shapes: Sequence[tuple[int, ...]]) -> Self | None:
        ranks = [len(shape) for shape in shapes]
        return cls(num_output=shapes[1][1]) if ranks == list(cls.weight_ranks) else None

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        x = bottoms[0]
        steps = product(x[: self.inputs_from])
        told = [product(bottom) for bottom in bottoms[1:]]
        if steps is not None and told not in ([], [None], [steps]):
            raise NetworkError(
                f"the second bottom must hold {steps} numbers, one for each step and stream, its "
                f"shape is {bottoms[1]}"
            )
        return ((*x[: self.inputs_from], self.num_output),)

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        driven = 4 * self.num_output
        inputs = product(bottoms[0][self.inputs_from :])
        return ((driven, inputs), (driven, self.num_output), (driven,))

    def fillers(self) -> tuple[Filler, ...]:
        return (self.weight_filler, self.weight_filler, self.bias_filler)

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        return list(map(layout.transposed, _NAMES, blobs))

    def caffe_blobs(self, weights: Sequence[Array], channels: int | None) -> list[Array]:
        return [weight.transpose() for weight in weights]


@caffe_layer("Lstm", dialect="ctpn")
@dataclass(frozen=True, kw_only=True)
class StepsAndStreams(ClippedLSTM):
    """CTPN's: bottom (T, N, ...), top (T, N, units)."""

    @classmethod
    def recognizes(
        cls, layer: LayerDefinition, stored: Sequence[tuple[int, ...]] | None
    ) -> bool | None:
        return False if "batch_size" in layer.fields.message("lstm_param") else None

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        if len(bottoms[0]) < 3:
            raise NetworkError(
                f"needs a bottom with 3 axes or more (T, N, ...), got shape {bottoms[0]}; with "
                "dialect='caffe-lstm' time steps and streams share the first axis"
            )
        return super().top_shapes(bottoms, tops)


@caffe_layer("Lstm", dialect="caffe-lstm")
@dataclass(frozen=True, kw_only=True)
class StepsTimesStreams(ClippedLSTM):
    """caffe-lstm's: bottom (T * N, ...), top (T * N, units); N is `batch_size`."""

    inputs_from: ClassVar[int] = 1
    always: ClassVar[frozenset[str]] = frozenset({"batch_size"})

    @classmethod
    def recognizes(
        cls, layer: LayerDefinition, stored: Sequence[tuple[int, ...]] | None
    ) -> bool | None:
        return True if "batch_size" in layer.fields.message("lstm_param") else None

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        rows: Shape = bottoms[0][:1]
        if rows and rows[0] is not None and rows[0] % self.batch_size:
            raise NetworkError(
                f"batch_size: {self.batch_size} does not divide the {rows[0]} rows of the bottom"
            )
        return super().top_shapes(bottoms, tops)
