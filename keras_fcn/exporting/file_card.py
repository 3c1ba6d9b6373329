"""What a file of another program tells of a model's use."""

from __future__ import annotations

import keras

from keras_fcn.caffe.text.card_line import with_positions
from keras_fcn.core.card import card_of
from keras_fcn.core.stored_cards import card_text
from keras_fcn.inference.structure import positions_of

__all__ = ["file_card"]


def file_card(model: keras.Model) -> str:
    """The card's text, and where the positions of its map lie; `""` where nothing is known."""
    return with_positions(card_text(card_of(model)), positions_of(model))
