"""A Caffe network as frozen Python objects: what it says, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

from keras_fcn.caffe import limits
from keras_fcn.caffe.definition import LayerDefinition, NetDefinition, ParamSpec
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import Shape
from keras_fcn.caffe.layers.dialects import StoredShapes
from keras_fcn.caffe.net import (
    editing,
    fork_fields,
    input_shapes,
    kinds,
    outputs,
    pruning,
    rules,
    shapes,
    states,
    versions,
)
from keras_fcn.caffe.net.aliases import with_aliases
from keras_fcn.caffe.net.flattening import flattening
from keras_fcn.caffe.net.layer import AUTOMATIC, Blob, Layer, Sharer
from keras_fcn.caffe.net.reading import STRICT, Policy, Reading
from keras_fcn.caffe.net.states import NetState
from keras_fcn.caffe.net.summary import Summarized
from keras_fcn.caffe.proto.definitions import layer_message, to_text

__all__ = ["AUTOMATIC", "Blob", "Layer", "NetState", "Network", "ParamSpec", "Reading", "Sharer"]


@dataclass(frozen=True, repr=False)
class Network(Summarized):
    """A Caffe network in the state (phase, level, stages) it was loaded for.

    Two networks are equal where their layers do the same on the same blobs, whatever else
    their prototxts hold: defaults written out, layers of other states.

    Attributes:
        name: the network's name.
        layers: in Caffe's order, which is topological.
        inputs: blobs fed from outside.
        outputs: blobs nobody consumes.
        state: the state it was loaded for.
        definition: what its prototxt says, layers of other states included.
        path: the file it came from, for messages.
        notes: what a user should know of how it was read, one line each.
        dialect: the fork whose types were preferred.
        shapes: layer name -> shapes of its blobs in the weights file, if they were given.
        asked: the blobs that were asked for as outputs; None: the net's own.
        given: the inputs whose sizes were given.
        sharers: the layers of the state that name parameters, in Caffe's order; those that the
            asked outputs do not need may own what the others hold.
        policy: how strictly it was read.
        card: what the first line of its file tells of its use, which no edit keeps; see
            `keras_fcn.caffe.text.card_line`.
    """

    name: str
    layers: tuple[Layer, ...]
    inputs: tuple[Blob, ...]
    outputs: tuple[Blob, ...]
    state: NetState = field(repr=False)
    definition: NetDefinition = field(repr=False, compare=False)
    path: str = field(default="<net>", compare=False)
    notes: tuple[str, ...] = field(default=(), repr=False, compare=False)
    dialect: str | None = field(default=None, compare=False)
    shapes: Mapping[str, StoredShapes] | None = field(default=None, repr=False, compare=False)
    asked: tuple[str, ...] | None = field(default=None, compare=False)
    given: tuple[str, ...] = field(default=(), compare=False)
    sharers: tuple[Sharer, ...] = field(default=(), repr=False)
    policy: Policy = field(default=STRICT, repr=False, compare=False)
    card: str = field(default="", repr=False, compare=False)

    @classmethod
    def of(
        cls, definition: NetDefinition, reading: Reading | None = None, *, path: str = "<net>"
    ) -> Self:
        """The network that Caffe builds of a definition, in the state that is asked for.

        Args:
            definition: what a prototxt says, layers of other states included.
            reading: how it is read; None: for the phase TEST, as Caffe does.
            path: where it comes from, for messages.

        Raises:
            NetworkError: Caffe would refuse it; the message names the layer.
        """
        reading = reading or Reading()
        _check_plain(definition, path)
        reading = replace(reading, state=reading.state.with_stages(definition.stages))
        try:
            definition = input_shapes.declare(definition, reading.given, reading.state)
        except NetworkError as error:
            raise NetworkError(f"{path}: {error}") from error
        passed: fork_fields.Notes = {}
        if not reading.policy.lenient:  # else it is not run, and its fields may be any fork's
            definition = fork_fields.upgraded(definition, reading.state, path, passed)
        kept, left_out = states.split(definition.layers, reading.state, path)
        try:
            _check_given(kept, left_out, reading)
            needed = kept if reading.outputs is None else pruning.needed(kept, reading.outputs)
        except NetworkError as error:
            raise NetworkError(f"{path}: {error}") from error
        if reading.outputs is not None:
            definition = replace(definition, layers=tuple(needed))
        layers = kinds.typed(needed, reading, path)
        if reading.policy.lenient:
            layers = versions.loosely_wired(layers)
        else:
            layers = versions.wired(layers, left_out, reading.state)
        layers = shapes.learnt(layers, reading, path)
        layers = flattening(with_aliases(layers))
        if not reading.policy.lenient:
            rules.check_params(layers)
        if not reading.policy.lenient and reading.state.phase is not None:
            rules.check_names(layers)
        return cls(
            definition.name,
            layers,
            *outputs.ends(layers, reading.outputs),
            reading.state,
            definition,
            path,
            (*fork_fields.told(passed), *kinds.notes(needed, reading)),
            reading.dialect,
            reading.shapes,
            reading.outputs,
            tuple(reading.given),
            kinds.sharers(kept, reading),
            reading.policy,
        )

    # What it holds

    @property
    def blobs(self) -> dict[str, Blob]:
        """Blob name -> its final version, in the order Caffe makes them."""
        return {b.name: b for layer in self.layers for b in (*layer.tops, *layer.aliases)}

    @property
    def input_shapes(self) -> dict[str, Shape]:
        """Input blob -> its shape, batch included."""
        return {blob.name: blob.shape for blob in self.inputs if blob.shape is not None}

    @property
    def unnamed(self) -> tuple[Blob, ...]:
        """Tops that Caffe adds to losses by itself; it does not count them as outputs."""
        return tuple(top for layer in self.layers for top in layer.tops if top.name == AUTOMATIC)

    @property
    def cut_sharers(self) -> dict[str, Sharer]:
        """Name -> layer that names parameters and is not among the layers."""
        names = {layer.name for layer in self.layers}
        return {sharer.name: sharer for sharer in self.sharers if sharer.name not in names}

    @cached_property
    def open_layers(self) -> tuple[Layer, ...]:
        """The layers for any batch and, where the inputs may have any, any height and width.

        As they are, where only the sizes that were declared hold together.
        """
        opened = shapes.opened(self.layers, self.input_shapes, sizes=self.resizable)
        return self.layers if opened is None else opened

    @cached_property
    def resizable(self) -> bool:
        """Whether the inputs may have any height and width.

        No weight depends on them, and no layer makes maps of a size of its own.
        """
        return shapes.are_resizable(self.layers, self.input_shapes)

    def in_state(self) -> NetDefinition:
        """Definition of the layers that its state keeps."""
        kept = tuple(filter(self.state.keeps, self.definition.layers))
        return replace(self.definition, layers=kept)

    @property
    def text(self) -> str:
        """The prototxt, layers of other states included."""
        return to_text(self.definition)

    def place(self, layer: Layer) -> str:
        """Location of a layer, for messages: `net.prototxt:12: layer 'fc6' (InnerProduct)`."""
        return layer.place

    def layer(self, name: str) -> Layer:
        """The layer with a Caffe name.

        Raises:
            KeyError: there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"no layer {name!r}; there are {', '.join(x.name for x in self.layers)}")

    # Edits: each gives a new network, which is read as this one was

    def edited(self, definition: NetDefinition, **reading: Any) -> Network:
        """The network of another definition.

        Args:
            definition: what its prototxt is to say.
            **reading: attributes of the `Reading` that are to be others than this network's.

        Raises:
            NetworkError: the layers do not hold together.
        """
        made = {name for layer in definition.layers for name in layer.tops}
        feeding = [(x.type, x.tops, x.fields) for x in definition.layers if not x.bottoms]
        known = {
            blob.name: blob.shape
            for layer in self.layers
            if layer.is_source
            and (layer.type, layer.definition.tops, layer.definition.fields) in feeding
            for blob in layer.tops
            if blob.shape is not None
        }
        asked = tuple(name for name in self.asked or () if name in made)
        usual: dict[str, Any] = {
            "state": self.state,
            "dialect": self.dialect,
            "shapes": self.shapes,
            "known": known,
            "outputs": asked or None,
            "policy": self.policy,
        }
        new = Network.of(definition, Reading(**(usual | reading)), path=self.path)
        return replace(new, sharers=pruning.with_cut(new.sharers, self.sharers, self.cut_sharers))

    def replace(self, layer: Layer | str, *new: LayerDefinition, **changes: Any) -> Network:
        """The network with a layer changed, or with other layers in its place.

        Args:
            layer: the layer, or its name. A layer of another network, such as this one before
                an edit, stands for the layer of its name.
            *new: the layers to put in its place, as `LayerDefinition`.
            **changes: in place of these, what the layer is to be otherwise: `params`
                (typed parameters), `name`, `type`, `bottoms`, `tops` (names of blobs),
                or any other attribute of its `LayerDefinition`.

        Raises:
            KeyError: there is no such layer.
            NetworkError: the layers do not hold together, or a value is not one that Caffe's
                field takes.
            TypeError: `new` has something else than a `LayerDefinition`.
            ValueError: there is no such attribute, or neither `new` nor changes, or both.
        """
        old = self._own(layer)
        editing.check_replacement(old.name, new, changes)
        try:
            layers = new or (editing.changed(old.definition, old.params, **changes),)
            for each in layers:
                layer_message(each)  # which takes what Caffe's fields do
        except NetworkError as error:
            raise NetworkError(f"{old.place}: {error}") from error
        stored = {name: x for name, x in (self.shapes or {}).items() if name != old.name}
        edited = self.edited(
            editing.replaced(self.definition, old.definition, layers),
            shapes=None if self.shapes is None else stored,
        )
        if (params := changes.get("params")) is not None:
            read = next(x for x in edited.layers if x.definition.name == layers[0].name)
            if type(read.params) is not type(params):
                raise NetworkError(
                    f"{old.place}: {type(params).__name__} are no parameters of a layer of type "
                    f"{read.type!r}; give its `type` too. Received: {params!r}"
                )
        return edited

    def _own(self, layer: Layer | str) -> Layer:
        """The layer itself where it is one of this network, else the one of its name."""
        if isinstance(layer, str):
            return self.layer(layer)
        return next((x for x in self.layers if x is layer), None) or self.layer(layer.name)

    def rename(self, layers: Mapping[str, str] = {}, *, blobs: Mapping[str, str] = {}) -> Network:
        """The network with other names of layers and blobs: old -> new.

        Raises:
            ValueError: there is no such name, or two of the state would become one.
        """
        editing.check_renaming(self.definition, self.in_state(), layers, blobs)
        known = {blobs.get(name, name): shape for name, shape in self.input_shapes.items()}
        stored = {layers.get(name, name): x for name, x in (self.shapes or {}).items()}
        asked = None if self.asked is None else tuple(blobs.get(x, x) for x in self.asked)
        return self.edited(
            editing.renamed(self.definition, layers, blobs),
            known=known,
            shapes=None if self.shapes is None else stored,
            outputs=asked,
        )

    def with_outputs(self, names: Sequence[str]) -> Network:
        """The part of the network that leads to some blobs, which become its outputs.

        Raises:
            NetworkError: there is no such blob.
            ValueError: `names` is no list of different names.
        """
        part = self.edited(self.definition, outputs=pruning.check_outputs(names))
        return replace(part, notes=self.notes, sharers=self.sharers)


def _check_plain(definition: NetDefinition, path: str) -> None:
    """Refuse names that are no text, and layers without end."""
    count = len(definition.layers)
    if count > limits.MAX_LAYERS:
        raise NetworkError(f"{path} has {count} layers; at most {limits.MAX_LAYERS} are allowed")
    names = [definition.name]
    for x in definition.layers:
        names += (x.name, x.type, *x.bottoms, *x.tops)
    for name in names:
        if not isinstance(name, str) or "\0" in name:
            raise NetworkError(f"{path}: the name {name!r} is not plain text")


def _check_given(
    kept: Sequence[LayerDefinition], left_out: Sequence[LayerDefinition], reading: Reading
) -> None:
    """Refuse shapes for what is no input of the layers that are in."""
    if reading.given:
        inputs = [name for x in kept if kinds.is_source(x, reading) for name in x.tops]
        input_shapes.check_names(
            reading.given, inputs, lambda name: states.where_made(name, left_out, reading.state)
        )
