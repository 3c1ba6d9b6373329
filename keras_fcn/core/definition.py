"""The part of a model's card that lets its network be written again."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import keras

from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.net.saving import from_config, to_config
from keras_fcn.core.card import card_of
from keras_fcn.layers.known import exchanged


def definition(network: Network, model: keras.Model) -> dict[str, Any]:
    """All that is needed to read the network again, and what tells that the model is its."""
    return {**to_config(network), "fingerprint": fingerprint(model)}


def defined_network(model: keras.Model) -> Network | None:
    """The network of the prototxt that a model carries; None where it is not that any more."""
    definition = card_of(model).definition
    if not definition or definition["fingerprint"] != fingerprint(model):
        return None
    return from_config(definition, f"model {model.name!r}")


def fingerprint(model: keras.Model) -> str:
    """A hash of what a model computes, but for its weights; `trainable` changes no number.

    Where a layer's own methods were exchanged, of which its configuration tells nothing, the
    model is not that of any definition.
    """
    config = model.get_config()
    layers = [
        (
            entry["class_name"],
            {key: value for key, value in entry["config"].items() if key != "trainable"},
            entry.get("inbound_nodes"),
        )
        for entry in config["layers"]
    ]
    ends = [config.get(key) for key in ("input_layers", "output_layers")]
    changed = ["exchanged"] if exchanged(model) else []
    text = json.dumps([layers, ends, *changed], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
