"""Caffe's blobs and frozen weights in a model made of another by surgery."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from keras_fcn.caffe.names import keras_name
from keras_fcn.core.card import Place, card_of
from keras_fcn.graph.calls import calls


def carried(old: keras.Model, new: keras.Model, renamed: Mapping[str, str]) -> dict[str, Any]:
    """Blob names and frozen weights of a model that hold for one made of its layers.

    A blob goes on under its name while the layer that holds it does. Where a layer got another
    name, so does the blob that it begins; an output of a new layer has the layer's name.

    Args:
        old: the model whose card tells the names.
        new: the one made of it.
        renamed: old layer name -> new one.

    Returns:
        `blobs`, `contents`, `inputs` and `frozen` of the new
        `keras_fcn.core.card.Card`.
    """
    card = card_of(old)
    layers = {layer.name for layer in new.layers}
    frozen = ((renamed.get(layer, layer), index) for layer, index in card.frozen)
    held = {"frozen": tuple(place for place in frozen if place[0] in layers)}
    if not card.blobs:  # the old model has its layers' names for its blobs
        return {"blobs": {}, "contents": {}, "inputs": {}, **held}
    there = {call.operation.name for call in calls(new)}
    names = _new_names(old, renamed)

    def moved(places: Mapping[str, Place]) -> dict[str, Place]:
        found = {names.get(blob, blob): (renamed.get(x, x), i) for blob, (x, i) in places.items()}
        return {blob: place for blob, place in found.items() if place[0] in there}

    blobs, contents = moved(card.blobs), moved(card.contents)
    for blob in card.contents:
        if names.get(blob, blob) not in contents:
            blobs.pop(names.get(blob, blob), None)
    known = {call.operation.name for call in calls(old)} | set(renamed.values())
    ends = [_place(tensor) for tensor in new.outputs]
    blobs |= {place[0]: place for place in ends if place[0] not in {*known, *blobs}}
    inputs = {x.name: card.inputs[x.name] for x in new.inputs if x.name in card.inputs}
    return {"blobs": blobs, "contents": contents, "inputs": inputs, **held}


def _place(tensor: Any) -> Place:
    made = tensor._keras_history
    return made.operation.name, int(made.tensor_index)


def _new_names(old: keras.Model, renamed: Mapping[str, str]) -> dict[str, str]:
    """Blob -> its new name, of blobs whose first layer has a new name."""
    if not renamed:
        return {}
    makers = {_place(tensor): call for call in calls(old) for tensor in call.outputs}
    owners: dict[Place, str] = {}
    for blob, place in card_of(old).blobs.items():
        owners.setdefault(place, blob)  # others have but its shape
    names = {}
    for place, blob in owners.items():
        call = makers.get(place)
        while call is not None:
            layer = call.operation.name
            if layer in renamed:
                names[blob] = _named_after(blob, layer, renamed[layer])
            before = _place(call.inputs[0]) if len(call.inputs) == 1 else None
            call = None if before is None or before in owners else makers[before]
    return names


def _named_after(blob: str, old: str, new: str) -> str:
    """A blob of an own name keeps it where its layer's name got but a suffix."""
    if not new.startswith(old):
        return new
    return blob + new.removeprefix(old) if keras_name(blob) == old else blob
