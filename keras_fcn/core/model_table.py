"""A model as a table, for notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from keras_fcn.cards.card_text import card_facts
from keras_fcn.text_tables import html_table

__all__ = ["model_table"]


def model_table(model: Any) -> str:
    """The size of a model of this package, and what it knows of its job, as HTML."""
    ends = {"inputs": getattr(model, "inputs", None), "outputs": getattr(model, "outputs", None)}
    rows = [(name, _shapes(tensors)) for name, tensors in ends.items() if tensors]
    rows.append(("layers", str(len(model.layers))))
    if model.built:
        rows.append(("parameters", f"{model.count_params():,}"))
    caption = f"{type(model).__name__} {model.name!r}"
    return html_table([*rows, *card_facts(model.card)], caption=caption)


def _shapes(tensors: Iterable[Any]) -> str:
    """`data (?, 224, 224, 3)`; an output has the name of its layer."""
    shapes = {
        x._keras_history.operation.name: ", ".join("?" if n is None else str(n) for n in x.shape)
        for x in tensors
    }
    return ", ".join(f"{name} ({shape})" for name, shape in shapes.items())
