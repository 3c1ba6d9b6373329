"""A network <-> plain data that a file can keep: its prototxt, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.net.network import Network
from keras_fcn.caffe.net.reading import Reading
from keras_fcn.caffe.net.states import NetState
from keras_fcn.caffe.text.prototxt import parse_net

NETWORK_NAME = "keras_fcn_network"
"""Name of the network's text in the metadata of other programs' files."""


def to_text(network: Network) -> str:
    """All that is needed to read a network again, in one line of JSON."""
    return json.dumps(to_config(network))


def from_text(text: str, path: str) -> Network:
    """The network of `to_text`.

    Args:
        text: the text, which may be a stranger's.
        path: the file that holds it, for messages.

    Raises:
        CaffeError: it is none.
    """
    try:
        return from_config(json.loads(text), path)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        if isinstance(error, CaffeError):
            raise
        raise CaffeError(f"{path}: its {NETWORK_NAME} is no network: {error!r}") from error


def to_config(network: Network) -> dict[str, Any]:
    """All that is needed to read a network again, as JSON holds it."""
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
    }


def from_config(config: Mapping[str, Any], path: str) -> Network:
    """The network that `to_config` kept.

    Args:
        config: the data.
        path: what messages call the network.

    Raises:
        CaffeError: it is no network any more.
    """
    asked, inputs = config.get("outputs"), config.get("inputs", {})
    reading = Reading(
        NetState(config["phase"], config["level"], tuple(config["stages"])),
        config["dialect"],
        config["shapes"],
        known={name: tuple(shape) for name, shape in inputs.items()},
        outputs=None if asked is None else tuple(asked),
    )
    return Network.of(parse_net(config["prototxt"], path).definition, reading, path=path)
