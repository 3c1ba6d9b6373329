"""A card as text, for files that other programs read too."""

from __future__ import annotations

import json

from keras_fcn.cards.card import Card

__all__ = ["card_text", "read_card"]


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
