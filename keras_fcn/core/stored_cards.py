"""A Keras model's card as text, for files that other programs read too."""

from __future__ import annotations

import keras

from keras_fcn.cards.card import Card
from keras_fcn.cards.stored import card_text, read_card
from keras_fcn.cards.stored import recall as recall_of
from keras_fcn.graph.ends import class_count

__all__ = ["card_text", "read_card", "recall"]


def recall(model: keras.Model, text: str, place: str) -> Card:
    """Let a model know what a file of its network tells; see `keras_fcn.cards.stored.recall`."""
    return recall_of(model, text, place, class_count(model))
