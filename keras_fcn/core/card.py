"""The card, of `keras_fcn.cards`, for the rooms of Keras models."""

from keras_fcn.cards.card import (
    SAVED_MODEL_CARD,
    TASKS,
    Card,
    Place,
    Source,
    card_of,
    update_card,
)

__all__ = ["SAVED_MODEL_CARD", "TASKS", "Card", "Place", "Source", "card_of", "update_card"]
