"""A layer of this package -> Keras' own that do the same in its setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import keras


@dataclass(frozen=True)
class Form:
    """Keras' own operations, one after another, that do what a layer does.

    Attributes:
        steps: layers, or functions of `keras.ops`; the one with weights has the layer's name.
        weights: those of the old layer that it takes, in its order; None: all.
        by_name: whether it has the weights that the converter's `.h5` holds for the layer, so
            that Keras' own `load_weights(by_name=True)` fills it.
    """

    steps: Sequence[Callable[[Any], Any]]
    weights: Sequence[Any] | None = None
    by_name: bool = True


StockForm = Callable[[Any, Any], Form | None]
"""`form(layer, x) -> Form`, None where Keras has nothing equal; `x` is what the layer reads."""

F = TypeVar("F", bound=StockForm)

FORMS: dict[type[keras.layers.Layer], StockForm] = {}


def stock_form(*kinds: type[keras.layers.Layer]) -> Callable[[F], F]:
    """Register the function that gives the stock forms of some classes."""

    def register(function: F) -> F:
        FORMS.update(dict.fromkeys(kinds, function))
        return function

    return register


def is_stock(operation: Any) -> bool:
    """Whether an operation is one of Keras itself."""
    return type(operation).__module__.split(".")[0] == "keras"
