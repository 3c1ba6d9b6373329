"""A card as text: what is known first, and the definition by its size alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from keras_fcn.cards.card import Card
    from keras_fcn.preprocessing import Preprocessing

__all__ = ["card_facts"]

_SHOWN = 6
_COUNTED = ("blobs", "inputs", "contents", "frozen", "names")


def card_facts(card: Card) -> list[tuple[str, str]]:
    """Name of a field -> its value in a few words, of what a card knows."""
    source = card.source
    told = {
        "network": card.network,
        "source": source and (source.published or source.file),
        "task": card.task,
        "size": card.size and "{}x{}".format(*card.size),
        "preprocessing": card.preprocessing and _preparation(card.preprocessing),
        "classes": card.classes and str(card.classes),
        "tiles": card.tiles and _fields(card.tiles),
        "positions": card.positions and "from {}, {} by {}, {}".format(*sum(card.positions, ())),
        "phase": card.phase if card.phase != "TEST" else "",
        **{name: str(len(getattr(card, name)) or "") for name in _COUNTED},
        "definition": "" if card.definition is None else "kept",
    }
    return [(name, text) for name, text in told.items() if text]


def _preparation(preprocessing: Preprocessing) -> str:
    return _fields(preprocessing) or "the default one"


def _fields(value: Any) -> str:
    """The fields of a dataclass that are not as by default."""
    pairs = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
    return ", ".join(
        f"{field.name}={_short(own)}" for field, own in pairs if not _is_default(own, field.default)
    )


def _is_default(own: Any, default: Any) -> bool:
    return type(own) is type(default) and bool(np.all(own == default))


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"image {'x'.join(map(str, value.shape))}" if value.size > _SHOWN else f"{value}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"({', '.join(map(_short, value))})"
    return repr(value)
