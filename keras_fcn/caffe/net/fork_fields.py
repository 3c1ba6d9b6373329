"""The pass that turns fields of forks into what BVLC Caffe says for the same.

Renamed fields get their current names, and what a fork does in one layer becomes two: a
convolution with `relu: true` is a Convolution and a ReLU. What changes no number goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from keras_fcn.caffe.definition import Fields, LayerDefinition, NetDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import DIALECTS, LAYER_TYPES
from keras_fcn.caffe.layers.data import DataLayer
from keras_fcn.caffe.names import place
from keras_fcn.caffe.net.fork_rules import RULES, SPLITS
from keras_fcn.caffe.net.states import NetState
from keras_fcn.caffe.proto import forks, schema

Notes = dict[str, list[str]]
"""Passed-over field -> the layers in which it was."""

_LAYER, _SPEC = "LayerParameter", "ParamSpec"


def upgraded(net: NetDefinition, state: NetState, path: str, notes: Notes) -> NetDefinition:
    """The net with the layers that a state keeps in BVLC Caffe's words.

    Args:
        net: the net.
        state: the state; layers that it leaves out stay as they are.
        path: where the net comes from, for messages.
        notes: gets what was passed over.

    Raises:
        NetworkError: fields contradict each other; the layer is named.
    """
    layers: list[LayerDefinition] = []
    for layer in net.layers:
        try:
            layers += current(layer, notes) if state.keeps(layer) else (layer,)
        except NetworkError as error:
            raise NetworkError(f"{place(path, layer)}: {error}") from error
    return replace(net, layers=tuple(layers))


def told(notes: Notes) -> Iterator[str]:
    """Notes on fields that were passed over, one line for each kind."""
    for note, (first, *others) in notes.items():
        more = f" and {len(others)} more" if others else ""
        yield f"layer {first!r}{more}: {note}"


def current(layer: LayerDefinition, notes: Notes) -> Sequence[LayerDefinition]:
    """The layers that stand for one.

    Args:
        layer: the layer; one of data, or of unknown type, stays as it is.
        notes: gets what was passed over.

    Raises:
        NetworkError: fields contradict each other.
    """
    if not _is_known(layer.type):
        return (layer,)
    layer = _without_idle(layer, notes)
    for rule in RULES.get(layer.type, ()):
        layer = rule(layer)
    split = SPLITS.get(layer.type)
    return (layer,) if split is None else split(layer)


def _is_known(kind: str) -> bool:
    known = LAYER_TYPES.get(kind)
    return kind in DIALECTS or (known is not None and not issubclass(known, DataLayer))


def _without_idle(layer: LayerDefinition, notes: Notes) -> LayerDefinition:
    """The layer without what changes no number."""

    def less(name: str, value: Any, kind: str) -> Any:
        if isinstance(value, tuple):
            return tuple(less(name, item, kind) for item in value)
        if not isinstance(value, Fields):
            return value
        value, found = forks.without_idle(value, kind)
        for note in found:
            notes.setdefault(f"{name}: {note}", []).append(layer.name)
        return value

    kinds = schema.kinds(_LAYER)
    fields = {name: less(name, x, kinds.get(name, "")) for name, x in layer.fields.items()}
    if fields.pop("engine", None) is not None:
        notes.setdefault("engine is passed over", []).append(layer.name)
    if fields != layer.fields:
        layer = replace(layer, fields=Fields(fields))
    if any(spec.others for spec in layer.param_specs):
        specs = (replace(x, others=less("param", x.others, _SPEC)) for x in layer.param_specs)
        layer = replace(layer, param_specs=tuple(specs))
    return layer
