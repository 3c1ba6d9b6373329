"""What a model keeps so that its network can be written again."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import keras

from keras_fcn.caffe.net.network import NetState, Network, Reading
from keras_fcn.caffe.text import prototxt
from keras_fcn.core.card import card_of


def definition(network: Network, model: keras.Model) -> dict[str, Any]:
    """All that is needed to read the network again, and what tells that the model is its."""
    shapes = network.shapes
    return {
        "prototxt": network.text,
        "phase": network.state.phase,
        "level": network.state.level,
        "stages": list(network.state.stages),
        "dialect": network.dialect,
        "inputs": {name: list(shape) for name, shape in network.input_shapes.items()},
        "outputs": None if network.asked is None else list(network.asked),
        "shapes": shapes and {name: [list(x) for x in known] for name, known in shapes.items()},
        "fingerprint": fingerprint(model),
    }


def defined_network(model: keras.Model) -> Network | None:
    """The network of the prototxt that a model carries; None where it is not that any more."""
    definition = card_of(model).definition
    if not definition or definition["fingerprint"] != fingerprint(model):
        return None
    reading = Reading(
        NetState(definition["phase"], definition["level"], tuple(definition["stages"])),
        definition["dialect"],
        definition["shapes"],
        known={name: tuple(shape) for name, shape in definition.get("inputs", {}).items()},
        outputs=definition.get("outputs") and tuple(definition["outputs"]),
    )
    parsed = prototxt.parse_net(definition["prototxt"], model.name)
    return Network.of(parsed.definition, reading, path=f"model {model.name!r}")


def fingerprint(model: keras.Model) -> str:
    """A hash of what a model computes, but for its weights; ``trainable`` changes no number."""
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
    text = json.dumps([layers, ends], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
