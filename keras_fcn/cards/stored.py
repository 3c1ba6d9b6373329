"""A card as text, for files that other programs read too."""

from __future__ import annotations

import json
from typing import Any

from keras_fcn.cards.card import Card, card_of, update_card

__all__ = ["card_text", "read_card", "recall"]


def card_text(card: Card) -> str:
    """What a card holds of a model's use, as JSON in one line; `""` where that is nothing."""
    used = card.for_export()
    return "" if used == Card() else json.dumps(used.to_config())


def read_card(text: str, place: str) -> Card:
    """The inverse of `card_text`.

    Args:
        text: JSON.
        place: where it is from, for messages.

    Raises:
        ValueError: the text is no card.
    """
    try:
        return Card.from_config(json.loads(text)) if text else Card()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{place} is no card of a model: {error}") from error


def recall(model: Any, text: str, place: str, classes: int | None) -> Card:
    """Let a model know what a file of its network tells of its use.

    Of a model with other outputs, of another number of classes, that is how images are prepared.

    Args:
        model: a model with a card.
        text: of `card_text`.
        place: where it is from, for messages.
        classes: how many the model tells apart; None where that does not show.

    Returns:
        What the file tells.

    Raises:
        ValueError: the text is no card.
    """
    stored, own = read_card(text, place), card_of(model)
    names = ["preprocessing"]
    if stored.classes is None or classes in (None, len(stored.classes)):
        names += ["classes", "tiles", "task"]
    told = {name: getattr(stored, name) or getattr(own, name) for name in names}
    update_card(model, size=own.size or stored.size, **told)
    return stored
