"""Recurrent layers. Source: `src/caffe/layers/` recurrent, lstm, lstm_unit and rnn."""

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
    expect_rank,
    product,
)
from keras_fcn.caffe.layers.spatial import Spatial, nowhere
from keras_fcn.caffe.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Recurrent(LayerParams):
    """`RecurrentParameter`: N independent streams over T time steps.

    Bottoms are x (T, N, ...), the indicators (T, N) of where a sequence goes on, and, if
    there is one, a static input (N, ...) that every step sees.

    Attributes:
        num_output: units.
        expose_hidden: the states before the first step, (1, N, units) each, are bottoms,
            and those after the last step are tops; else the layer keeps them.
        static_input: whether there is a static input.
    """

    message: ClassVar[str | None] = "recurrent_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"debug_info"})
    in_place: ClassVar[bool] = False
    bottom_count: ClassVar[tuple[int, int | None]] = (2, None)
    top_count: ClassVar[tuple[int, int | None]] = (1, None)
    states: ClassVar[int] = 1
    """Number of states that are carried from step to step."""
    gates: ClassVar[int] = 1
    """Number of gates of each unit."""
    places: ClassVar[Spatial | None] = nowhere("time steps and streams")

    num_output: int
    weight_filler: Filler = Filler()
    bias_filler: Filler = Filler()
    expose_hidden: bool = False
    static_input: bool = False

    def __post_init__(self) -> None:
        if self.num_output < 1:
            raise NetworkError(f"num_output: {self.num_output} must be at least 1")

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        values = cls.values(layer.fields.message("recurrent_param"))
        exposed = cls.states * values.get("expose_hidden", False)
        bottoms, tops = len(layer.bottoms) - exposed, len(layer.tops) - exposed
        if bottoms not in (2, 3) or tops != 1:
            raise NetworkError(
                f"expose_hidden: {bool(exposed)}: needs {2 + exposed} or {3 + exposed} bottoms and "
                f"{1 + exposed} tops, has {len(layer.bottoms)} and {len(layer.tops)}"
            )
        return cls(**values, static_input=bottoms == 3)

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        """A vector a step, and the indicators of all steps, where there are no such axes."""
        if index == 0:
            return None if len(bottoms[0]) > 2 else (None,) * 3
        return (*bottoms[0], None, None)[:2] if index == 1 else None

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        x, cont, *others = bottoms
        if len(x) < 3:
            raise NetworkError(f"needs a bottom with 3 axes or more (T, N, ...), got shape {x}")
        _expect(cont, x[:2], "the second bottom")
        if self.static_input:
            static = others.pop(0)
            if len(static) < 2:
                raise NetworkError(f"needs a static input with 2 axes or more, got shape {static}")
            _expect(static[:1], x[1:2], "the batch of the static input")
        state: Shape = (1, x[1], self.num_output)
        for hidden in others:
            _expect(hidden, state, "a bottom of expose_hidden")
        return ((*x[:2], self.num_output), *(state,) * (tops - 1))

    @property
    def weights(self) -> tuple[str, ...]:
        """Names of the parameter blobs, in Caffe's order."""
        static = ("static_kernel",) if self.static_input else ()
        return ("kernel", "bias", *static, "recurrent_kernel")

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        outputs = self.gates * self.num_output
        static = ((outputs, product(bottoms[2][1:])),) if self.static_input else ()
        x = (outputs, product(bottoms[0][2:]))
        return (x, (outputs,), *static, (outputs, self.num_output))

    def fillers(self) -> tuple[Filler, ...]:
        return tuple(
            self.bias_filler if "bias" in name else self.weight_filler for name in self.weights
        )

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        return list(map(layout.transposed, self.weights, blobs))

    def caffe_blobs(self, weights: Sequence[Array], channels: int | None) -> list[Array]:
        return [weight.transpose() for weight in weights]


@caffe_layer("LSTM")
@dataclass(frozen=True, kw_only=True)
class LSTM(Recurrent):
    """Long short-term memory; gates in Caffe's order: input, forget, output, candidate."""

    weight_ranks: ClassVar[tuple[int | None, ...]] = (2, 1, 2, 2)
    states: ClassVar[int] = 2
    gates: ClassVar[int] = 4


@caffe_layer("RNN")
@dataclass(frozen=True, kw_only=True)
class RNN(Recurrent):
    """h = tanh(W_hh h + W_xh x + b_h), top = tanh(W_ho h + b_o)."""

    weight_ranks: ClassVar[tuple[int | None, ...]] = (2, 1, 2, 2)

    @property
    def weights(self) -> tuple[str, ...]:
        return (*super().weights, "output_kernel", "output_bias")

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        units = self.num_output
        return (*super().weight_shapes(bottoms), (units, units), (units,))


@caffe_layer("LSTMUnit")
@dataclass(frozen=True)
class LSTMUnit(LayerParams):
    """One step of an LSTM: the cells before it, gates and indicators give cells and output."""

    in_place: ClassVar[bool] = False
    bottom_count: ClassVar[tuple[int, int | None]] = (3, 3)
    top_count: ClassVar[tuple[int, int | None]] = (2, 2)
    places: ClassVar[Spatial | None] = nowhere("time steps and streams")

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        cells, gates, cont = bottoms
        expect_rank(cells, 3)
        units = product((4, cells[2]))
        _expect(cells[:1], (1,), "the first axis")
        _expect(gates, (1, cells[1], units), "the gates")
        _expect(cont, cells[:2], "the third bottom")
        return (cells, cells)


def _expect(shape: Shape, wanted: Shape, what: str) -> None:
    if len(shape) != len(wanted) or any(
        None not in sizes and sizes[0] != sizes[1] for sizes in zip(shape, wanted, strict=True)
    ):
        raise NetworkError(f"{what} must have shape {wanted}, got {shape}")
