"""Content of a network's files: facts, blobs, params."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_fcn.caffe.blobs.caffemodel import CaffeModel, read_caffemodel
from keras_fcn.caffe.blobs.keras_hdf5 import WeightsFile
from keras_fcn.caffe.blobs.weights import open_weights
from keras_fcn.caffe.definition import NetDefinition
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.net.assembly import load_network
from keras_fcn.caffe.net.fitting import fit_weights
from keras_fcn.caffe.net.network import NetState, Network, Reading
from keras_fcn.caffe.records import dataclass
from keras_fcn.caffe.words import argument

_WEIGHTS = (".caffemodel", ".gz", ".h5", ".hdf5")


@dataclass(frozen=True)
class Contents:
    """Content of a file, or of a prototxt with its weights.

    Attributes:
        facts: name -> what is known of the file as a whole; empty where nothing is.
        network: the layers, where the file tells them.
        params: (layer, type, shapes of its weights).
        notes: what a user should know, one line each.
    """

    facts: Mapping[str, str]
    network: Network | None
    params: Sequence[tuple[str, str, Sequence[Shape]]]
    notes: Sequence[str] = ()


def read_contents(
    path: str,
    caffemodel: str | None = None,
    *,
    phase: str | None = None,
    level: int = 0,
    stages: Sequence[str] = (),
    **net: Any,
) -> Contents:
    """Read a network's file, by its suffix.

    Args:
        path: a `.caffemodel`, also gzipped, a `.h5` of the converter, or else a prototxt.
        caffemodel: the weights of the prototxt.
        phase: `"TEST"` or `"TRAIN"`; None for TEST, or for all layers that a
            caffemodel carries.
        level: the net state's level.
        stages: the net state's stages.
        **net: how a prototxt is read besides, see `convert.load_network`.

    Raises:
        CaffeError: a file is wrong, or the weights belong to another network.
        ValueError: the two files do not go together.
    """
    state = NetState(phase, level, tuple(stages))
    if Path(path).suffix not in _WEIGHTS:
        return _prototxt(path, caffemodel, _in_phase(state), net)
    if net:
        raise ValueError(f"{', '.join(sorted(net))}: for a prototxt only. Received: {path}")
    if caffemodel is not None:
        raise ValueError(
            "weights come after a prototxt, and a weights file is inspected alone. "
            f"Received: {path} and {caffemodel}"
        )
    return _weights(path, state)


def _prototxt(
    path: str, caffemodel: str | None, state: NetState, net: Mapping[str, Any]
) -> Contents:
    model = None if caffemodel is None else read_caffemodel(caffemodel)
    shapes = None if model is None else model.blob_shapes()
    network = load_network(path, str(state.phase), state.level, state.stages, shapes=shapes, **net)
    with_weights = {layer.name: layer for layer in network.layers if layer.weight_shapes}
    if model is None:
        wanted = [(name, x.type, x.weight_shapes or ()) for name, x in with_weights.items()]
        return Contents({"prototxt": path}, network, wanted)
    weights = fit_weights(network, model)
    params = [
        (layer.name, layer.type, [blob.shape for blob in weights[layer.name]])
        for layer in network.layers
        if layer.name in weights
    ]
    missing = [name for name in with_weights if name not in weights]
    notes = [f"layer {name!r} has no weights in {model.path}" for name in missing]
    notes += [f"layer {x!r} of {model.path} is not in {path}" for x in model if x not in weights]
    return Contents({"prototxt": path, "weights": model.path}, network, params, notes)


def _in_phase(state: NetState) -> NetState:
    return dataclasses.replace(state, phase=state.phase or "TEST")


def _weights(path: str, state: NetState) -> Contents:
    with open_weights(path) as weights:
        if isinstance(weights, CaffeModel):
            return _caffemodel(weights, state)
        return _by_name(weights, state)


def _caffemodel(model: CaffeModel, state: NetState) -> Contents:
    path = model.path
    network, notes = _network(lambda: model.definition, path, state)
    types = {} if network is None else {layer.name: layer.type for layer in network.layers}
    params = [
        (name, types.get(name, ""), [blob.shape for blob in layer.blobs])
        for name, layer in model.layers.items()
    ]
    return Contents({"caffemodel": path}, network, params, notes)


def _by_name(file: WeightsFile, state: NetState) -> Contents:
    from keras_fcn.caffe.text.prototxt import parse_net

    path, stored, mean, text = file.path, file.attributes(), file.mean(), file.text("prototxt")
    params = [
        (name, str(file.attributes(name).get("caffe_type", "")), file.shapes(name)) for name in file
    ]
    facts = {
        "HDF5": f"{path}, weights in Keras' layout",
        "source": str(stored.get("source", "")),
        "sha256": str(stored.get("source_sha256", "")),
        "converter": str(stored.get("converter_version", "")),
        "mean": "" if mean is None else str(mean.shape),
    }
    if text is None:
        return Contents(facts, None, params, [f"no blobs: {path} holds no prototxt"])
    where = f"prototxt in {path}"
    parsed = parse_net(text, where)
    network, notes = _network(lambda: parsed.definition, where, _in_phase(state))
    return Contents(facts, network, params, notes)


def _network(
    definition: Callable[[], NetDefinition], path: str, state: NetState
) -> tuple[Network | None, list[str]]:
    """The network of a weights file; a note where its layers make none in this state."""
    try:
        return Network.of(definition(), Reading(state), path=path), []
    except CaffeError as error:
        return None, [f"no blobs, try another {argument('phase')}: {error}"]
