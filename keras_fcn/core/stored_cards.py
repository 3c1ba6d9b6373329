"""A model's card as text, for files that other programs read too."""

from __future__ import annotations

import keras

from keras_fcn.cards.card import Card, card_of, update_card
from keras_fcn.cards.stored import card_text, read_card
from keras_fcn.graph.ends import class_count

__all__ = ["card_text", "read_card", "recall"]


def recall(model: keras.Model, text: str, place: str) -> Card:
    """Let a model know what a file of its network tells of its use.

    Of a model with other outputs, of another number of classes, that is how images are prepared.

    Args:
        model: a model of this package.
        text: of `card_text`.
        place: where it is from, for messages.

    Returns:
        What the file tells.

    Raises:
        ValueError: the text is no card.
    """
    stored, own = read_card(text, place), card_of(model)
    names = ["preprocessing"]
    if stored.classes is None or class_count(model) in (None, len(stored.classes)):
        names += ["classes", "tiles", "task"]
    told = {name: getattr(stored, name) or getattr(own, name) for name in names}
    update_card(model, size=own.size or stored.size, **told)
    return stored
