"""Edits of what a prototxt says: each gives a new definition."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from keras_fcn.caffe.definition import LayerDefinition, NetDefinition
from keras_fcn.caffe.layers import LayerParams


def changed(
    layer: LayerDefinition, old: LayerParams, params: LayerParams | None = None, **changes: Any
) -> LayerDefinition:
    """A layer with other attributes.

    Args:
        layer: the layer.
        old: its typed parameters.
        params: the typed parameters that it is to have; fields that neither they nor the old
            ones read, such as those of another type, stay.
        **changes: attributes of the definition.
    """
    if params is not None:
        gone = [*_messages(old), *_messages(params), *getattr(old, "fields", ())]
        changes["fields"] = layer.fields.without(*gone).with_(**params.write())
    return replace(layer, **changes)


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
