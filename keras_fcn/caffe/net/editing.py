"""Edits of what a prototxt says: each gives a new definition."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from keras_fcn.caffe.definition import NO_FIELDS, Fields, LayerDefinition, NetDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import LayerParams

_PYTHON = "python_param"


def check_replacement(name: str, new: Sequence[Any], changes: Mapping[str, Any]) -> None:
    """Refuse to put in a layer's place what are no layers, or nothing.

    Raises:
        TypeError: `new` has something else than a `LayerDefinition`.
        ValueError: neither layers nor changes, or both.
    """
    for each in new:
        if not isinstance(each, LayerDefinition):
            raise TypeError(
                "layers to put in place are a LayerDefinition each, such as layer.definition. "
                f"Received: {type(each).__name__}"
            )
    if bool(new) == bool(changes):
        raise ValueError(
            "give the layers to put in place, or what is to change, such as params=. Received: "
            f"{'both' if new else 'neither'}, for {name!r}"
        )


def changed(
    layer: LayerDefinition, old: LayerParams, params: LayerParams | None = None, **changes: Any
) -> LayerDefinition:
    """A layer with other attributes.

    Args:
        layer: the layer.
        old: its typed parameters.
        params: the typed parameters that it is to have; fields that neither they nor the old
            ones read, such as those of another type, stay, and so do those without effect,
            such as `engine`, where the type is the same.
        **changes: attributes of the definition.
    """
    unknown = changes.keys() - {field.name for field in dataclasses.fields(LayerDefinition)}
    if unknown:
        raise ValueError(f"a layer has no attribute {min(unknown)!r}; `params` has its fields")
    if params is not None:
        if not isinstance(params, LayerParams):
            raise NetworkError(
                "`params` are typed parameters, such as dataclasses.replace(layer.params, ...) "
                f"gives. Received: {params!r}"
            )
        try:
            written = params.write()
        except (AttributeError, TypeError, ValueError) as error:
            raise NetworkError(f"{params!r} cannot be written: {error}") from error
        gone = [*_messages(old), *_messages(params), *getattr(old, "fields", ())]
        kept = _beyond(layer, params) if type(old) is type(params) else NO_FIELDS
        changes["fields"] = layer.fields.without(*gone).with_(**written.merged(kept))
    return replace(layer, **changes)


def _beyond(layer: LayerDefinition, params: LayerParams) -> Fields:
    """Fields of a layer's own messages that its typed parameters do not hold."""
    kept = {}
    for name in _messages(params):
        given = layer.fields.message(name)
        kept[name] = given.without(*(given.keys() - params.without_effect))
    if layer.type == "Python":  # found by these names, whatever the module's folder
        kept[_PYTHON] = layer.fields.message(_PYTHON).without("param_str")
    return Fields({name: fields for name, fields in kept.items() if fields})


def _messages(params: LayerParams) -> tuple[str, ...]:
    """The names of the messages that parameters stand in."""
    names = (params.message, *getattr(params, "messages", ()))
    return tuple(name for name in names if name is not None)


def replaced(
    net: NetDefinition, old: LayerDefinition, new: Sequence[LayerDefinition]
) -> NetDefinition:
    """The net with other layers in a layer's place, which is found by identity."""
    index = next(i for i, layer in enumerate(net.layers) if layer is old)
    return replace(net, layers=(*net.layers[:index], *new, *net.layers[index + 1 :]))


def without(net: NetDefinition, names: Collection[str]) -> NetDefinition:
    """The net without the layers of these names, in whatever state they are."""
    return replace(net, layers=tuple(layer for layer in net.layers if layer.name not in names))


def renamed(
    net: NetDefinition, layers: Mapping[str, str] = {}, blobs: Mapping[str, str] = {}
) -> NetDefinition:
    """The net with other names of layers and blobs: old -> new.

    All names change in one step, so that two can be exchanged.
    """

    def new(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(blobs.get(name, name) for name in names)

    return replace(
        net,
        layers=tuple(
            replace(
                layer,
                name=layers.get(layer.name, layer.name),
                bottoms=new(layer.bottoms),
                tops=new(layer.tops),
            )
            for layer in net.layers
        ),
    )


def check_renaming(
    net: NetDefinition,
    kept: NetDefinition,
    layers: Mapping[str, str] = {},
    blobs: Mapping[str, str] = {},
) -> None:
    """Refuse new names that `renamed` cannot give.

    Args:
        net: the net.
        kept: the layers of its state, of which no two may become one.
        layers: layer name -> new name.
        blobs: blob -> new name.

    Raises:
        ValueError: there is no such name, or two would become one.
    """
    for kind, names, new in (("layer", _layers, layers), ("blob", _blobs, blobs)):
        if gone := new.keys() - set(names(net)):
            raise ValueError(f"there is no {kind} {min(gone)!r}. Received: {dict(new)}")
        before: dict[str, str] = {}
        for name in names(kept):
            after = new.get(name, name)
            if before.setdefault(after, name) != name:
                raise ValueError(f"two {kind}s would be called {after!r}. Received: {dict(new)}")


def _layers(net: NetDefinition) -> list[str]:
    return [layer.name for layer in net.layers]


def _blobs(net: NetDefinition) -> list[str]:
    return [name for layer in net.layers for name in (*layer.bottoms, *layer.tops)]
