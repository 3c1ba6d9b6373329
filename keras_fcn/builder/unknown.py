"""Networks with layers that keras-fcn does not build: all named at once, or left out of its end."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Iterable, Sequence

from keras_fcn.builder.registry import BUILDERS
from keras_fcn.caffe.errors import CaffeWarning, UnsupportedLayerError
from keras_fcn.caffe.layers.data import DataLayer
from keras_fcn.caffe.layers.origins import NOT_BUILT
from keras_fcn.caffe.net.network import Blob, Layer, Network
from keras_fcn.caffe.words import either

_MEASURES = re.compile("loss|accuracy|eval", re.IGNORECASE)


def without_unknown_end(network: Network) -> Network:
    """The network without losses and evaluations that cannot be built, if it ends in some.

    In the phase TRAIN every layer without successors counts as a loss, and so does a Python
    layer in a network that is fed by data layers. A note and a warning say what is left out.

    Raises:
        UnsupportedLayerError: other layers cannot be built; all their types are named, and
            the outputs that need none of them.
    """
    unknown = [x for x in network.layers if not x.is_source and type(x.params) not in BUILDERS]
    if not unknown:
        return network
    lost = _dependent(network, unknown)
    outputs = _outputs_without(network, lost)
    at_end = all(layer in unknown or not layer.tops for layer in lost)
    measures = all(_measures(layer, network) for layer in unknown)
    if network.asked is not None or not (at_end and measures and outputs):
        raise UnsupportedLayerError(_refusal(network, unknown, outputs))
    rest = network.with_outputs(outputs)
    gone = [f"{x.name!r} ({_kind(x)})" for x in unknown]
    note = (
        f"{network.path}: left out, as keras-fcn does not build them: {', '.join(gone)}; the "
        f"outputs are {', '.join(outputs)}"
    )
    warnings.warn(note, CaffeWarning, stacklevel=3)
    return dataclasses.replace(rest, notes=(*network.notes, note))


def _dependent(network: Network, layers: Iterable[Layer]) -> list[Layer]:
    """These layers, and all layers that depend on them."""
    found = set(layers)
    made: set[Blob] = set()
    for layer in network.layers:
        if layer in found or made.intersection(layer.bottoms):
            found.add(layer)
            made.update(layer.tops, layer.aliases)
    return [layer for layer in network.layers if layer in found]


def _outputs_without(network: Network, lost: Sequence[Layer]) -> list[str]:
    """The blobs, inputs apart, that nobody reads once some layers are left out."""
    kept = [layer for layer in network.layers if layer not in lost]
    read = {blob for layer in kept if layer.tops for blob in layer.bottoms}
    wanted = {*network.outputs, *(blob for layer in lost for blob in layer.bottoms)} - read
    made = {blob for x in kept if not x.is_source for blob in (*x.tops, *x.aliases)}
    return list(dict.fromkeys(blob.name for x in kept for blob in x.tops if blob in wanted & made))


def _measures(layer: Layer, network: Network) -> bool:
    """Whether a layer only says how good the network is."""
    if _MEASURES.search(_kind(layer)):
        return True
    has_weights = bool((network.shapes or {}).get(layer.name))
    trains = any(isinstance(x.params, DataLayer) for x in network.layers)
    return trains and not has_weights and (network.state.phase == "TRAIN" or layer.type == "Python")


def _kind(layer: Layer) -> str:
    """The type; of a Python layer its class, which is what to register."""
    if layer.type != "Python":
        return layer.type
    return str(layer.definition.fields.message("python_param").get("layer", "")) or layer.type


def _refusal(network: Network, unknown: Sequence[Layer], outputs: Sequence[str]) -> str:
    by_kind: dict[str, list[Layer]] = {}
    for layer in unknown:
        by_kind.setdefault(_kind(layer), []).append(layer)
    (first, *_), kind = next(iter(by_kind.values())), next(iter(by_kind))
    register = f"@keras_fcn.register({kind!r})"
    without = either(
        f"outputs={list(outputs)}", " ".join(f"--output-blob {name}" for name in outputs)
    )
    other = f", or build without: {without}" if outputs else ""
    if len(by_kind) == 1:
        known = NOT_BUILT.get(kind)
        whose = f", which is {known.origin}'s ({known.meaning})" if known else ""
        return (
            f"{network.place(first)}: keras-fcn does not build this type{whose}. "
            f"Register a function that does: {register}{other}"
        )
    listed = "; ".join(f"{kind!r} on {_places(layers)}" for kind, layers in by_kind.items())
    return (
        f"{network.path}: keras-fcn does not build {len(by_kind)} types: {listed}. "
        f"Register a function for each, {register} and so on{other}"
    )


def _places(layers: Sequence[Layer]) -> str:
    first, more = layers[0], len(layers) - 1
    where = f"line {first.line}, " if first.line else ""
    return f"{where}layer {first.name!r}" + (f" and {more} more" if more else "")
