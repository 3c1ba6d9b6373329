"""Networks of training as networks of use: class probabilities in place of their loss."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from keras_fcn.caffe.words import either
from keras_fcn.core.blob_names import carried
from keras_fcn.core.card import card_of
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.errors import ModelError
from keras_fcn.graph.calls import calls
from keras_fcn.layers import SoftmaxWithLoss
from keras_fcn.surgery.heads import activation, free_name

__all__ = ["without_losses"]


def without_losses(model: keras.Model) -> keras.Model:
    """A network that gives the probabilities of the classes that its loss compares with labels.

    As a deploy prototxt has it: what `SoftmaxWithLoss` reads, and a softmax. The input of the
    labels, `Accuracy` and whatever else scores do not need are left out.

    Args:
        model: of a train_val prototxt; any other is given back as it is.

    Raises:
        ModelError: (a `ValueError`) there are several such losses.
    """
    if not getattr(model, "outputs", None) or not _has_loss(model):
        return model
    made = {id(tensor): call for call in calls(model) for tensor in call.outputs}
    losses = [call for call in calls(model) if isinstance(call.operation, SoftmaxWithLoss)]
    names = {call.operation.name for call in losses}
    if len(names) > 1:
        raise ModelError(
            "the network has several losses; say which blob of scores is its output, by "
            f"{either('outputs=[...] of from_caffe', '--output-blob BLOB')}. "
            f"Received: {model.name!r} with {', '.join(sorted(names))}"
        )
    scores = losses[0].inputs[0]
    needed, pending = set(), [scores]
    while pending:
        tensor = pending.pop()
        if id(tensor) not in needed:
            needed.add(id(tensor))
            pending += made[id(tensor)].inputs if id(tensor) in made else []
    inputs: Any = [tensor for tensor in model.inputs if id(tensor) in needed]
    prob = activation("softmax", free_name("prob", model.layers))(scores)
    new = CaffeFunctional(inputs[0] if len(inputs) == 1 else inputs, prob, name=model.name)
    card = card_of(model)
    new.card = dataclasses.replace(card, definition=None, **carried(model, new, {}))
    return new


def _has_loss(model: keras.Model) -> bool:
    return any(isinstance(layer, SoftmaxWithLoss) for layer in model.layers)
