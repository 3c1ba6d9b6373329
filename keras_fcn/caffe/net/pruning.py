"""The part of a network that given blobs need."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.names import closest
from keras_fcn.caffe.net.layer import Sharer

# Types whose tops may be their bottom's memory: what changes one in place changes the others.
_SAME_MEMORY = {"Split", "Flatten", "Reshape", "Permute"}
_SAME_IF_ALONE = {"Concat", "Slice"}


def check_outputs(outputs: Sequence[str] | None) -> tuple[str, ...] | None:
    """The names of blobs to be outputs, as a tuple.

    Raises:
        ValueError: it is no list of names, or has one twice.
    """
    if outputs is None:
        return None
    names = () if isinstance(outputs, str) else tuple(outputs)
    if not names or not all(isinstance(x, str) for x in names) or len(set(names)) < len(names):
        raise ValueError(f"outputs is a list of different blob names. Received: {outputs!r}")
    return names


def needed(layers: Sequence[LayerDefinition], outputs: Collection[str]) -> list[LayerDefinition]:
    """The layers that lead to blobs, in-place layers on them included.

    Raises:
        NetworkError: no layer makes one of them.
    """
    made = {name: None for layer in layers for name in layer.tops}
    for name in outputs:
        if name not in made:
            raise NetworkError(f"no blob is named {name!r}; there {closest(name, made)}")
    groups = _memory_groups(layers)
    wanted = set(outputs)
    kept = []
    for layer in reversed(layers):
        changed = set(layer.tops)
        for name in changed & set(layer.bottoms):
            changed |= groups.get(name, set())
        if changed & wanted:
            kept.append(layer)
            wanted.update(layer.bottoms)
    return kept[::-1]


def _memory_groups(layers: Sequence[LayerDefinition]) -> dict[str, set[str]]:
    """Blob -> all that share its memory."""
    groups: dict[str, set[str]] = {}
    for layer in layers:
        alone = layer.type in _SAME_IF_ALONE and len(layer.bottoms) == len(layer.tops) == 1
        if layer.type in _SAME_MEMORY or alone:
            names = {*layer.bottoms, *layer.tops}
            group = names.union(*(groups.get(name, ()) for name in names))
            groups.update(dict.fromkeys(group, group))
    return groups


def with_cut(
    sharers: Sequence[Sharer], before: Sequence[Sharer], cut: Mapping[str, Sharer]
) -> tuple[Sharer, ...]:
    """The layers that name parameters, with those that were left out before, in their order."""
    own = {x.name: x for x in sharers}
    known = [own.pop(x.name, cut.get(x.name)) for x in before]
    return (*(x for x in known if x is not None), *own.values())
