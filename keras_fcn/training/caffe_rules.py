"""The updates of Caffe's solvers, exactly as Caffe computes them.

Source: `ComputeUpdateValue` in `src/caffe/solvers/*_solver.cpp` of BVLC Caffe 1.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from keras import ops

__all__ = ["RULES", "Constants", "Rule"]


@dataclass(frozen=True)
class Constants:
    """What a solver's rule depends on beside the rate, with Caffe's defaults.

    Attributes:
        momentum: of SGD and Nesterov, of Adam's first moment; AdaDelta's decay.
        momentum2: of Adam's second moment.
        delta: keeps AdaGrad, RMSProp, AdaDelta and Adam from dividing by zero.
        rms_decay: RMSProp's decay.
    """

    momentum: float = 0.0
    momentum2: float = 0.999
    delta: float = 1e-8
    rms_decay: float = 0.99


class Rule(NamedTuple):
    """A kind of solver.

    Attributes:
        update: (gradient, history, rate, constants, number of the update from 1) -> what is
            taken off the parameter, and the new history.
        rows: arrays of history a parameter has.
        has_momentum: whether `momentum` is used.
        keeps_zero: whether without a rate a history of zeros stays as it is, whatever the
            gradient.
    """

    update: Callable[[Any, Sequence[Any], Any, Constants, Any], tuple[Any, list[Any]]]
    rows: int = 1
    has_momentum: bool = True
    keeps_zero: bool = False


def _sgd(
    gradient: Any, history: Sequence[Any], rate: Any, by: Constants, number: Any
) -> tuple[Any, list[Any]]:
    new = rate * gradient + by.momentum * history[0]
    return new, [new]


def _nesterov(
    gradient: Any, history: Sequence[Any], rate: Any, by: Constants, number: Any
) -> tuple[Any, list[Any]]:
    new = rate * gradient + by.momentum * history[0]
    return (1 + by.momentum) * new - by.momentum * history[0], [new]


def _adagrad(
    gradient: Any, history: Sequence[Any], rate: Any, by: Constants, number: Any
) -> tuple[Any, list[Any]]:
    new = history[0] + ops.square(gradient)
    return rate * (gradient / (ops.sqrt(new) + by.delta)), [new]


def _rmsprop(
    gradient: Any, history: Sequence[Any], rate: Any, by: Constants, number: Any
) -> tuple[Any, list[Any]]:
    new = (1 - by.rms_decay) * ops.square(gradient) + by.rms_decay * history[0]
    return rate * (gradient / (ops.sqrt(new) + by.delta)), [new]


def _adadelta(
    gradient: Any, history: Sequence[Any], rate: Any, by: Constants, number: Any
) -> tuple[Any, list[Any]]:
    squares, changes = history
    squares = (1 - by.momentum) * ops.square(gradient) + by.momentum * squares
    change = gradient * ops.sqrt((by.delta + changes) / (by.delta + squares))
    changes = (1 - by.momentum) * ops.square(change) + by.momentum * changes
    return rate * change, [squares, changes]


def _adam(
    gradient: Any, history: Sequence[Any], rate: Any, by: Constants, number: Any
) -> tuple[Any, list[Any]]:
    first = (1 - by.momentum) * gradient + by.momentum * history[0]
    second = (1 - by.momentum2) * ops.square(gradient) + by.momentum2 * history[1]
    number = ops.cast(number, "float32")
    correction = ops.sqrt(1 - by.momentum2**number) / (1 - by.momentum**number)
    return rate * correction * (first / (ops.sqrt(second) + by.delta)), [first, second]


#: Caffe's solver type -> its rule. AdaDelta and Adam have two arrays of history.
RULES: Mapping[str, Rule] = {
    "SGD": Rule(_sgd, keeps_zero=True),
    "Nesterov": Rule(_nesterov, keeps_zero=True),
    "AdaGrad": Rule(_adagrad, has_momentum=False),
    "RMSProp": Rule(_rmsprop, has_momentum=False),
    "AdaDelta": Rule(_adadelta, rows=2),
    "Adam": Rule(_adam, rows=2),
}
