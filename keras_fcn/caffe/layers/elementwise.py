"""Functions of single elements. Source: `src/caffe/layers/<name>_layer.cpp`."""

from __future__ import annotations

from typing import ClassVar, Self

from keras_fcn.caffe.definition import Fields, LayerDefinition, single
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.base import LayerParams, caffe_layer
from keras_fcn.caffe.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Elementwise(LayerParams):
    """A function of each element by itself."""

    elementwise: ClassVar[bool] = True


@caffe_layer("AbsVal")
@dataclass(frozen=True, kw_only=True)
class AbsVal(Elementwise):
    """|x|."""

    in_place: ClassVar[bool] = False


@caffe_layer("BNLL")
@dataclass(frozen=True, kw_only=True)
class BNLL(Elementwise):
    """log(1 + exp(x))."""


@caffe_layer("Clip")
@dataclass(frozen=True, kw_only=True)
class Clip(Elementwise):
    """`ClipParameter`: max(min, min(x, max)); both limits must be given."""

    message: ClassVar[str | None] = "clip_param"

    min: float
    max: float


@caffe_layer("ELU")
@dataclass(frozen=True, kw_only=True)
class ELU(Elementwise):
    """`ELUParameter`: x above 0, alpha * (exp(x) - 1) below."""

    message: ClassVar[str | None] = "elu_param"

    alpha: float = 1.0


@caffe_layer("Exp")
@dataclass(frozen=True, kw_only=True)
class Exp(Elementwise):
    """`ExpParameter`: base ** (shift + scale * x); base -1 stands for e."""

    message: ClassVar[str | None] = "exp_param"

    base: float = -1.0
    scale: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        _check_base(self.base)


@caffe_layer("Log")
@dataclass(frozen=True, kw_only=True)
class Log(Elementwise):
    """`LogParameter`: log(shift + scale * x) to a base; base -1 stands for e."""

    message: ClassVar[str | None] = "log_param"

    base: float = -1.0
    scale: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        _check_base(self.base)
        if self.base == 1:
            raise NetworkError(f"base: {self.base} has no logarithms")


@caffe_layer("Power")
@dataclass(frozen=True, kw_only=True)
class Power(Elementwise):
    """`PowerParameter`: (shift + scale * x) ** power."""

    message: ClassVar[str | None] = "power_param"

    power: float = 1.0
    scale: float = 1.0
    shift: float = 0.0


_SELU = {"lambda": "scale", "alpha": "alpha"}  # the first is a word of Python


@caffe_layer("SeLu", "SeLU", "SELU", "Selu")
@dataclass(frozen=True, kw_only=True)
class SELU(Elementwise):
    """`SeLuParameter`: x above 0, alpha * (exp(x) - 1) below, both times `lambda`.

    Source: `src/caffe/layers/selu_layer.cpp` of foss-for-synopsys-dwc-arc-processors/
    synopsys-caffe, which calls it SeLU, and of those that it took it from.
    """

    message: ClassVar[str | None] = "selu_param"

    scale: float = 1.050700987
    alpha: float = 1.67326324

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        given = layer.fields.message("selu_param")
        return cls(**{_SELU[name]: value for name, value in given.items()})

    def write(self) -> Fields:
        values = {name: getattr(self, field) for name, field in _SELU.items()}
        given = {name: single(x) for name, x in values.items() if x != getattr(SELU, _SELU[name])}
        return Fields(given).within("selu_param")


@caffe_layer("Sigmoid")
@dataclass(frozen=True, kw_only=True)
class Sigmoid(Elementwise):
    """`SigmoidParameter`: 1 / (1 + exp(-x))."""

    message: ClassVar[str | None] = "sigmoid_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"engine"})


@caffe_layer("Swish")
@dataclass(frozen=True, kw_only=True)
class Swish(Elementwise):
    """`SwishParameter`: x / (1 + exp(-beta * x))."""

    message: ClassVar[str | None] = "swish_param"

    beta: float = 1.0


@caffe_layer("TanH")
@dataclass(frozen=True, kw_only=True)
class TanH(Elementwise):
    """`TanHParameter`: the hyperbolic tangent."""

    message: ClassVar[str | None] = "tanh_param"
    without_effect: ClassVar[frozenset[str]] = frozenset({"engine"})


@caffe_layer("Threshold")
@dataclass(frozen=True, kw_only=True)
class Threshold(Elementwise):
    """`ThresholdParameter`: 1 where x > threshold, else 0."""

    stops_gradient: ClassVar[tuple[int, ...] | None] = None
    has_gradient: ClassVar[bool] = False
    message: ClassVar[str | None] = "threshold_param"

    threshold: float = 0.0


def _check_base(base: float) -> None:
    if base <= 0 and base != -1:
        raise NetworkError(f"base: {base} must be positive, or -1 for e")
