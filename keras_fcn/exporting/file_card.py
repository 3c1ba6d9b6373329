"""The card of a model in a file that holds no layers which tell the rest."""

from __future__ import annotations

import dataclasses

import keras

from keras_fcn.caffe.net.fields import Positions
from keras_fcn.core.card import card_of
from keras_fcn.core.stored_cards import card_text
from keras_fcn.inference.structure import ends_in_labels, positions_of
from keras_fcn.inference.tasks import find_task

__all__ = ["file_card"]


def file_card(model: keras.Model) -> str:
    """The card's text, with what the model's layers tell of its output; `""` for nothing.

    That are the task, where the output's shape would say another, and where the positions of its
    map lie, where they are not the pixels.
    """
    card = card_of(model)
    kind = find_task(model).kind
    if kind not in ("classes", "map") or ends_in_labels(model):
        card = dataclasses.replace(card, task=kind)
    positions = positions_of(model)
    if positions != Positions((0, 0), (1, 1)):
        card = dataclasses.replace(card, positions=positions)
    return card_text(card)
