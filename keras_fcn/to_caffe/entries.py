"""The layers of the Caffe network being written, as definitions, and their blobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from keras_fcn.caffe.definition import LayerDefinition, NetDefinition, ParamSpec
from keras_fcn.caffe.errors import UnsupportedLayerError
from keras_fcn.caffe.layers import LAYER_TYPES, LayerParams
from keras_fcn.caffe.layers.dialects import choose
from keras_fcn.caffe.layers.origins import dialect_of, type_of
from keras_fcn.to_caffe.messages import messages

_FIXED = ParamSpec(lr_mult=0.0, decay_mult=0.0)


class Entries:
    """Layers and their parameter blobs, in order.

    Attributes:
        name: the net's name.
        layers: what a prototxt says of each.
        params: layer name -> its typed parameters.
        blobs: layer name -> its parameter blobs.
        constants: names of layers whose blobs are no weights of the model.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.layers: list[LayerDefinition] = []
        self.params: dict[str, LayerParams] = {}
        self.blobs: dict[str, list[Any]] = {}
        self.constants: set[str] = set()
        self._taken: set[str] = set()

    @property
    def definition(self) -> NetDefinition:
        """The net so far."""
        return NetDefinition(self.name, tuple(self.layers))

    @property
    def dialect(self) -> str | None:
        """The fork that a reader has to be told, where the layers do not tell it themselves.

        Raises:
            UnsupportedLayerError: two layers need different ones.
        """
        needed = {}
        for entry in self.layers:
            wanted = dialect_of(self.params[entry.name])
            stored = [blob.shape for blob in self.blobs.get(entry.name, ())]
            if wanted is not None and choose(entry, stored, None).dialect != wanted:
                needed[wanted] = entry.name
        if len(needed) > 1:
            both = " and ".join(f"{name!r} of {fork}" for fork, name in needed.items())
            raise UnsupportedLayerError(f"layers {both}: no Caffe has both")
        return next(iter(needed), None)

    def append(
        self,
        kind: str | LayerParams,
        name: str,
        bottoms: Sequence[str],
        tops: int,
        fields: Mapping[str, Any],
        **others: Any,
    ) -> tuple[LayerDefinition, LayerParams]:
        """Append a layer.

        Args:
            kind: Caffe's type, or typed parameters, which tell it.
            name: the layer's name, also that of its first top; another one if it is taken.
            bottoms: names of the blobs it reads.
            tops: how many tops it has.
            fields: fields of the type's parameter message, or of others with their
                message's name.
            **others: other attributes of the definition.

        Returns:
            What was appended, and its typed parameters.
        """
        type_ = type_of(kind) if isinstance(kind, LayerParams) else kind
        made = self._free(name)
        names = (made, *(f"{made}_{index}" for index in range(1, tops)))[:tops]
        entry = LayerDefinition(
            made,
            type_,
            tuple(bottoms),
            names,
            fields=kind.write() if isinstance(kind, LayerParams) else messages(kind, fields),
            **others,
        )
        params = kind if isinstance(kind, LayerParams) else LAYER_TYPES[kind].read(entry)
        self._taken.update((made, *names))
        self.layers.append(entry)
        self.params[made] = params
        return entry, params

    def keep(self, name: str, blobs: Iterable[Any], *, constant: bool = False) -> None:
        """Give the layer that was appended last its parameter blobs.

        Args:
            name: its name.
            blobs: in Caffe's layout.
            constant: whether these are fixed numbers, not weights of the model.
        """
        arrays = [np.asarray(blob, np.float32) for blob in blobs]
        if arrays:
            self.blobs[name] = arrays
        if constant:
            self.constants.add(name)
        if constant or self.layers[-1].type == "BatchNorm":  # no gradient changes them
            self.layers[-1] = replace(self.layers[-1], param_specs=(_FIXED,) * len(arrays))

    def specify(self, name: str, index: int, /, **changes: Any) -> None:
        """Change what a layer says of one of its parameter blobs."""
        place = next(i for i, entry in enumerate(self.layers) if entry.name == name)
        entry = self.layers[place]
        specs = [*entry.param_specs, *[ParamSpec()] * (index + 1 - len(entry.param_specs))]
        specs[index] = replace(specs[index], **changes)
        self.layers[place] = replace(entry, param_specs=tuple(specs))

    def freeze(self, name: str, index: int | None = None) -> None:
        """Let training leave a layer's parameter blobs as they are, or one of them."""
        every = range(len(self.blobs.get(name, ())))
        for place in every if index is None else (index,):
            self.specify(name, place, lr_mult=0.0, decay_mult=0.0)

    def rename(self, changes: Mapping[str, str]) -> None:
        """Rename layers, and blobs that are called as they: old name -> new name.

        Names that are taken by others are not given again.
        """
        free = {old: new for old, new in changes.items() if new not in self._taken}
        self._taken.update(free.values())
        self.layers = [
            replace(_with_blobs_renamed(entry, free), name=free.get(entry.name, entry.name))
            for entry in self.layers
        ]
        self.params = {free.get(name, name): params for name, params in self.params.items()}
        self.blobs = {free.get(name, name): blobs for name, blobs in self.blobs.items()}
        self.constants = {free.get(name, name) for name in self.constants}

    def name_top(self, old: str, new: str) -> dict[str, str]:
        """Rename a blob; one that has the name already gives it up.

        Returns:
            Old name -> new name, of both.
        """
        changes = {old: new}
        if old == new:
            return changes
        if any(new in entry.tops for entry in self.layers):
            changes[new] = self._free(f"{new}_inner")
            self._taken.add(changes[new])
        self._taken.add(new)
        self.layers = [_with_blobs_renamed(entry, changes) for entry in self.layers]
        return changes

    def maker(self, top: str) -> LayerDefinition:
        """The layer that makes a blob."""
        return next(entry for entry in self.layers if top in entry.tops)

    def move_last(self, tops: Sequence[str]) -> None:
        """Bring blobs that nobody reads into an order; their layers go to the end."""
        made = [top for entry in self.layers for top in entry.tops if top in tops]
        for top in tops if made != list(tops) else ():
            entry = self.maker(top)
            self.layers.remove(entry)
            self.layers.append(entry)

    def _free(self, name: str) -> str:
        if name not in self._taken:
            return name
        count = len(self._taken)
        return next(f"{name}_{i}" for i in range(2, count + 3) if f"{name}_{i}" not in self._taken)


def _with_blobs_renamed(entry: LayerDefinition, changes: Mapping[str, str]) -> LayerDefinition:
    """A layer that reads and makes blobs of other names."""
    bottoms, tops = (
        tuple(changes.get(name, name) for name in names) for names in (entry.bottoms, entry.tops)
    )
    return replace(entry, bottoms=bottoms, tops=tops)
