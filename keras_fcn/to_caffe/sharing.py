"""Weights that several Caffe layers have in common, by the names in their `param`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_fcn.caffe.definition import LayerDefinition
from keras_fcn.caffe.errors import CaffeWarning
from keras_fcn.layers.tied import Tied
from keras_fcn.to_caffe.draft import Draft

_Place = tuple[str, int]


class Sharing:
    """Remembers what each call of a layer was written as, and names what is the same."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._places: dict[tuple[int, int], list[_Place]] = {}
        self._names: dict[int, str] = {}

    def note(self, layer: Any, entries: Sequence[LayerDefinition]) -> None:
        """A call of a layer, and the Caffe layers that it is written as."""
        learned = [entry.name for entry in entries if entry.name not in self._draft.constants]
        places = [(x, i) for x in learned for i in range(len(self._draft.blobs.get(x, ())))]
        owners = {}
        own = layer
        if isinstance(layer, Tied):
            own = layer.layer
            owners = {index: (id(owner), theirs) for index, owner, theirs in layer._owners.links}
        self._names[id(own)] = layer.name
        for number, place in enumerate(places):
            self._places.setdefault(owners.get(number, (id(own), number)), []).append(place)

    def apply(self) -> None:
        """Name the parameters. Where Caffe's numbers differ they stay apart, with a warning."""
        apart = set()
        for (owner, _), places in self._places.items():
            groups: list[list[_Place]] = []
            for place in places:
                same = (g for g in groups if np.array_equal(self._blob(g[0]), self._blob(place)))
                group = next(same, None)
                if group is None:
                    groups.append([place])
                else:
                    group.append(place)
            if len(groups) > 1:
                apart.add(self._names.get(owner, groups[0][0][0]))
            for group in groups:
                self._name(group)
        if apart:
            warnings.warn(
                f"model {self._draft.name!r}: {', '.join(sorted(apart))}: called several "
                "times, where Caffe needs other kernels (for paddings that differ from side to "
                "side, or for other orders of elements); these calls do not share their weights "
                "in the Caffe net",
                CaffeWarning,
                stacklevel=6,
            )

    def _name(self, group: list[_Place]) -> None:
        first, index = group[0]
        for name, place in group if len(group) > 1 else ():
            self._draft.specify(name, place, name=f"{first}_{index}")

    def _blob(self, place: _Place) -> Any:
        name, index = place
        return self._draft.blobs[name][index]
