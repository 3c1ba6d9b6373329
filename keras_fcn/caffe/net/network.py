"""A Caffe network as frozen Python objects: what it says, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from keras_fcn.caffe.definition import ParamSpec
from keras_fcn.caffe.errors import NetworkError, WeightsError
from keras_fcn.caffe.layers import KerasWeight, LayerParams, Shape, Shapes
from keras_fcn.caffe.layers.base import Array, Filler
from keras_fcn.caffe.layers.data import DataLayer, Input
from keras_fcn.caffe.layers.dialects import StoredShapes

_PHASES = ("TRAIN", "TEST")
AUTOMATIC = "(automatic)"  # Caffe's name for a top that the prototxt does not name


@dataclass(frozen=True, eq=False)
class Blob:
    """One version of a named blob: a layer that works in place makes a new one.

    Attributes:
        name: Caffe's name.
        shape: Caffe's axis order; None where a layer of unknown type made it.
        layer: name of the layer that made it.
        index: which of that layer's tops it is; aliases are counted behind the tops.
        maker: ``keras_name`` of that layer, which is unique.
    """

    name: str
    shape: Shape | None
    layer: str
    index: int
    maker: str

    @property
    def key(self) -> tuple[str, int]:
        """Who made this version, and which of its tops and aliases it is."""
        return self.maker, self.index


@dataclass(frozen=True)
class Sharer:
    """A layer that names parameters, be it one that the asked outputs do not need.

    Attributes:
        name: Caffe's name.
        param_specs: what the prototxt says of its parameter blobs.
        fillers: what fills them; empty where that is not known.
    """

    name: str
    param_specs: tuple[ParamSpec, ...]
    fillers: tuple[Filler, ...] = ()


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer: name, type, typed parameters, blobs.

    Attributes:
        name: Caffe's name, unchanged.
        keras_name: the name of its Keras layer.
        type: Caffe's type, e.g. ``"InnerProduct"``.
        params: typed parameters.
        bottoms: blobs it reads.
        tops: blobs it makes, in-place ones included.
        aliases: blobs that share memory with an in-place top, and change with it.
        overwritten: the versions of the aliases before.
        weight_shapes: shapes of its parameter blobs in Caffe's layout; None where
            the type is unknown.
        rows: whether its batch are rows that a layer before it gathered, such as regions;
            there may be none.
        flattened: shape of the map whose elements, in C, H, W order, it reads as one
            vector an image; None where there is no map, or it is not known.
        param_specs: what the prototxt says of its parameter blobs, in their order; may
            be shorter than ``weight_shapes``.
        propagate_down: for each bottom whether the gradient passes; empty: wherever
            it is needed.
        line: where it starts in the prototxt, 0 where it has no line.
        path: the file that the network came from.
    """

    name: str
    keras_name: str
    type: str
    params: LayerParams
    bottoms: tuple[Blob, ...]
    tops: tuple[Blob, ...]
    aliases: tuple[Blob, ...]
    overwritten: tuple[Blob, ...]
    weight_shapes: Shapes | None
    rows: bool
    flattened: Shape | None
    param_specs: tuple[ParamSpec, ...]
    propagate_down: tuple[bool, ...]
    line: int
    path: str

    @property
    def is_source(self) -> bool:
        """Whether its tops are inputs of the network."""
        return isinstance(self.params, Input | DataLayer)

    @property
    def flattened_channels(self) -> int | None:
        """Channels of the map that the layer flattens, if any."""
        return None if self.flattened is None else self.flattened[1]

    @property
    def fixes_size(self) -> bool:
        """Whether a top has a size of its own, whatever the size of the image."""
        shapes = tuple(blob.shape for blob in self.bottoms if blob.shape is not None)
        return len(shapes) == len(self.bottoms) and self.params.spatial(shapes).fixes_size

    def keras_weights(self, blobs: Sequence[Array]) -> list[KerasWeight]:
        """The layer's blobs as Keras holds them, without copying.

        Raises:
            WeightsError: the blobs are not those of such a layer.
        """
        try:
            weights = self.params.keras_weights(blobs, self.flattened_channels)
        except (ValueError, LookupError, ArithmeticError) as error:
            raise WeightsError(
                f"{self.path}: layer {self.name!r} ({self.type}) cannot hold blobs of shapes "
                f"{[blob.shape for blob in blobs]}: {error}"
            ) from error
        if len({weight.name for weight in weights}) < len(weights):
            raise WeightsError(
                f"{self.path}: layer {self.name!r} ({self.type}) cannot hold as many as "
                f"{len(blobs)} blobs"
            )
        return weights

    def caffe_blobs(self, weights: Sequence[Array]) -> list[Array]:
        """The inverse of :meth:`keras_weights`: blobs in Caffe's layout."""
        return self.params.caffe_blobs(weights, self.flattened_channels)


@dataclass(frozen=True)
class NetState:
    """The state a network is loaded for; ``phase`` None keeps every layer."""

    phase: str | None = "TEST"
    level: int = 0
    stages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.phase not in (*_PHASES, None):
            raise ValueError(f"phase must be one of {_PHASES}. Received: phase={self.phase!r}")

    def keeps(self, layer: Any) -> bool:
        """Whether a layer's include and exclude rules let it in."""
        if self.phase is None:
            return True
        if layer.include and layer.exclude:
            raise NetworkError("give either 'include' or 'exclude' rules, not both")
        if layer.include:
            return any(self._meets(rule) for rule in layer.include)
        return not any(self._meets(rule) for rule in layer.exclude)

    def _meets(self, rule: Any) -> bool:
        return (
            (not rule.HasField("phase") or _PHASES[rule.phase] == self.phase)
            and (not rule.HasField("min_level") or self.level >= rule.min_level)
            and (not rule.HasField("max_level") or self.level <= rule.max_level)
            and all(stage in self.stages for stage in rule.stage)
            and not any(stage in self.stages for stage in rule.not_stage)
        )


@dataclass(frozen=True, eq=False)
class Network:
    """A Caffe network in the state (phase, level, stages) it was loaded for.

    Attributes:
        name: the network's name.
        layers: in Caffe's order, which is topological.
        inputs: blobs fed from outside.
        outputs: blobs nobody consumes.
        path: the file it came from, for messages.
        text: the prototxt, as read.
        message: the NetParameter in the current form, without blobs.
        state: the state it was loaded for.
        notes: what a user should know of how it was read, one line each.
        dialect: the fork whose types were preferred.
        shapes: layer name -> shapes of its blobs in the weights file, if they were given.
        asked: the blobs that were asked for as outputs; None: the net's own.
        given: the inputs whose sizes were given.
        sharers: the layers of the state that name parameters, in Caffe's order; those that the
            asked outputs do not need may own what the others hold.
    """

    name: str
    layers: tuple[Layer, ...]
    inputs: tuple[Blob, ...]
    outputs: tuple[Blob, ...]
    path: str
    text: str = field(repr=False)
    message: Any = field(repr=False)
    state: NetState = field(repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)
    dialect: str | None = None
    shapes: Mapping[str, StoredShapes] | None = field(default=None, repr=False)
    asked: tuple[str, ...] | None = None
    given: tuple[str, ...] = ()
    sharers: tuple[Sharer, ...] = field(default=(), repr=False)

    @property
    def cut_sharers(self) -> dict[str, Sharer]:
        """Name -> layer that names parameters and is not among the layers."""
        names = {layer.name for layer in self.layers}
        return {sharer.name: sharer for sharer in self.sharers if sharer.name not in names}

    @property
    def blobs(self) -> dict[str, Blob]:
        """Blob name -> its final version, in the order Caffe makes them."""
        return {b.name: b for layer in self.layers for b in (*layer.tops, *layer.aliases)}

    @property
    def input_shapes(self) -> dict[str, Shape]:
        """Input blob -> its shape, batch included."""
        return {blob.name: blob.shape for blob in self.inputs if blob.shape is not None}

    @cached_property
    def resizable(self) -> bool:
        """Whether the inputs may have any height and width.

        No weight depends on them, and no layer makes maps of a size of its own.
        """
        from keras_fcn.caffe.net.walk import Walk

        try:
            free = Walk(
                self.path,
                self.state,
                free_sizes=True,
                dialect=self.dialect,
                shapes=self.shapes,
                learnt=self.input_shapes,
                outputs=self.asked,
            ).build(self.message, [0] * len(self.message.layer))
        except NetworkError:
            return False
        return not any(
            layer.fixes_size or any(None in shape for shape in layer.weight_shapes or ())
            for layer in free.layers
        )

    @property
    def unnamed(self) -> tuple[Blob, ...]:
        """Tops that Caffe adds to losses by itself; it does not count them as outputs."""
        return tuple(top for layer in self.layers for top in layer.tops if top.name == AUTOMATIC)

    def place(self, layer: Layer) -> str:
        """Where a layer stands, for messages: ``net.prototxt:12: layer 'fc6' (InnerProduct)``."""
        return place(self.path, layer.line, layer.name, layer.type)

    def layer(self, name: str) -> Layer:
        """The layer with a Caffe name.

        Raises:
            KeyError: there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)


def place(path: str, line: int, name: str, kind: str) -> str:
    """Where a layer stands, for messages: ``net.prototxt:12: layer 'fc6' (InnerProduct)``."""
    return f"{path}:{line}: layer {name!r} ({kind})" if line else f"{path}: layer {name!r} ({kind})"
