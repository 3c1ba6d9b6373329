"""The base of every layer type: typed parameters, a shape rule, a weight layout."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import numpy.typing as npt

from keras_fcn.caffe.definition import NO_FIELDS, Fields, LayerDefinition, Word
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers.spatial import ELEMENTWISE, Channels, Spatial, nowhere
from keras_fcn.caffe.layers.values import LAYER, changed, default, plain
from keras_fcn.caffe.layers.values import Filler as Filler
from keras_fcn.caffe.proto import forks, schema
from keras_fcn.caffe.records import dataclass

Array = npt.NDArray[Any]
Shape = tuple[int | None, ...]
"""A blob's shape in Caffe's axis order; None where the size is not known."""
Shapes = tuple[Shape, ...]


@dataclass(frozen=True)
class KerasWeight:
    """One Keras weight, described as a view of a Caffe blob.

    Attributes:
        name: Keras' name, e.g. `"kernel"`.
        shape: the shape Keras expects.
        source: a view whose elements, in C order, are those of the weight. It may
            have more axes than `shape`, so that no copy is needed to describe it.
        listed: whether Keras' own layer of this kind has the weight too. Those it
            lacks come last, and the HDF5 file keeps them where Keras does not look.
    """

    name: str
    shape: tuple[int, ...]
    source: Array
    listed: bool = True

    def array(self) -> Array:
        """The weight as a contiguous array (a copy)."""
        return np.ascontiguousarray(self.source).reshape(self.shape)


_FILLERS = ("weight_filler", "filler", "bias_filler")


@dataclass(frozen=True)
class LayerParams:
    """Typed parameters of a layer type: Caffe's field names and defaults.

    A subclass lists the fields of its `*_param` message as dataclass fields
    and overrides what its type needs. Everything here is free of Keras.
    """

    message: ClassVar[str | None] = None
    """Name of the type's own parameter message, e.g. `"pooling_param"`."""
    without_effect: ClassVar[frozenset[str]] = frozenset()
    """Fields of that message which change no number, e.g. `engine`."""
    always: ClassVar[frozenset[str]] = frozenset()
    """Fields of that message which are written whatever they hold."""
    telling: ClassVar[str | None] = None
    """The message that is written though empty, as it tells the fork that a layer is for."""
    elementwise: ClassVar[bool] = False
    """Whether the top holds the bottom's elements in the same positions."""
    places: ClassVar[Spatial | None] = None
    """Result of `spatial`, where it is the same whatever the parameters and bottoms."""
    in_place: ClassVar[bool] = True
    """Whether Caffe lets the top be the bottom."""
    python: ClassVar[bool] = False
    """Whether the name may also be the `layer:` of a `Python` layer."""
    tells_weights: ClassVar[bool] = True
    """Whether `weight_shapes` tells them; else they are whatever the file holds."""
    gathers_rows: ClassVar[bool] = False
    """Whether its top has rows that are not the images of the bottom, perhaps none."""
    auto_top: ClassVar[bool] = False
    """Whether Caffe makes a top where the prototxt names none."""
    has_gradient: ClassVar[bool] = True
    """Whether a bottom or a parameter of it gets a gradient."""
    stops_gradient: ClassVar[tuple[int, ...] | None] = ()
    """Bottoms, counted from 0 or from the end, that Caffe stops at where it has to pass a gradient
    to them, as `Backward_cpu` in the source says; None: all."""
    restriction: ClassVar[str] = ""
    """What of the type is not built, in a few words; empty: nothing."""
    weight_ranks: ClassVar[tuple[int | None, ...]] = ()
    """Axes of each parameter blob; None where they follow from the bottom."""
    bottom_count: ClassVar[tuple[int, int | None]] = (1, 1)
    """Fewest and most bottoms (None: any number)."""
    top_count: ClassVar[tuple[int, int | None]] = (1, 1)

    @property
    def flattens(self) -> bool:
        """Whether the bottom is read as one vector per image."""
        return False

    @property
    def channels(self) -> Channels | None:
        """Effect on the values of a position; None: something else than the two kinds."""
        return Channels.EACH if self.elementwise else None

    def shares_memory(self, bottoms: Shapes, tops: int) -> bool:
        """Whether Caffe's tops are the bottom's memory, in another shape at most.

        What then changes one of them in place changes all. Source: `ShareData` in
        `src/caffe/layers` of BVLC Caffe 1.0.
        """
        return False

    @classmethod
    def variant(cls, layer: LayerDefinition) -> type[LayerParams]:
        """The class that reads a layer: this one, or a subclass for some of its settings."""
        return cls

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        """Take the parameters from what a prototxt says of a layer.

        Raises:
            NetworkError: a field is missing or has a value the type refuses.
        """
        if cls.message is None:
            return cls()
        return cls(**cls.values(layer.fields.message(cls.message)))

    def write(self) -> Fields:
        """The inverse of `read`: the messages of the type, by name.

        Fields with Caffe's default are left out, and so is what has no effect.
        """
        return self.in_messages(self.message)

    def in_messages(self, *messages: str | None) -> Fields:
        """Fields of a layer's messages that hold these parameters; empty ones are left out.

        Args:
            *messages: their names, in the order in which they are read; a field that
                several have stands in the last.
        """
        written: dict[str, Fields] = {}
        for name in messages:
            kind = schema.kinds(LAYER).get(name or "")
            fields = changed(self, kind, self.always)
            written = {other: given.without(*fields) for other, given in written.items()}
            written[name or ""] = fields
        kept = {name: x for name, x in written.items() if x or name == self.telling}
        return Fields(kept)

    @classmethod
    def recognizes(
        cls, layer: LayerDefinition, stored: Sequence[tuple[int, ...]] | None
    ) -> bool | None:
        """Whether a layer is of this class's dialect: surely, surely not, or None: perhaps.

        Args:
            layer: what the prototxt says of it.
            stored: shapes of its blobs in the weights file, None where they are not known.
        """
        return None

    @classmethod
    def from_blobs(cls, shapes: Sequence[tuple[int, ...]]) -> Self | None:
        """The parameters as far as the shapes of stored blobs tell them; None: not enough."""
        try:
            return cls()
        except TypeError:  # a field has no default
            return None

    def with_stored(self, stored: Sequence[tuple[int, ...]]) -> LayerParams:
        """These parameters, completed by what the shapes of the stored blobs tell."""
        return self

    @classmethod
    def values(cls, fields: Fields, message: str | None = None) -> dict[str, Any]:
        """The fields of a parameter message as keyword arguments of `cls`.

        Args:
            fields: what it sets.
            message: its name; without it, it is the type's own.
        """
        values = {}
        own = {field.name for field in dataclasses.fields(cls)}
        kind = schema.kinds(LAYER).get(message or cls.message or "")
        kinds = schema.kinds(kind)
        for name, value in fields.items():
            if name in own:
                _check_label(str(kind), name, value)
                values[name] = plain(value, kinds.get(name))
            elif name not in cls.without_effect:
                raise forks.refuse(str(kind), name)
        for needed in dataclasses.fields(cls):
            if default(needed) is dataclasses.MISSING and needed.name not in values:
                raise NetworkError(f"field {needed.name!r} is missing")
        return values

    def top_shapes(self, bottoms: Shapes, tops: int) -> Shapes:
        """Shapes of the tops (at least `tops`). Unknown sizes (None) go in and come out."""
        return bottoms[:1]

    def spatial(self, bottoms: Shapes, top: int = 0, tops: int = 1) -> Spatial:
        """Positions of each bottom that the positions of a top see.

        Args:
            bottoms: shapes of the bottoms in Caffe's axis order; None where a size is not known.
            top: which top.
            tops: how many tops there are.

        Raises:
            NotImplementedError: the type does not say it.
        """
        if self.places is None and not self.elementwise:
            raise NotImplementedError(f"{type(self).__name__} does not say what its tops see")
        return self.places or ELEMENTWISE

    def bottom_shape(self, index: int, bottoms: Shapes) -> Shape | None:
        """The shape that a bottom must have, where only who reads it tells; None: it may be so.

        Args:
            index: which bottom.
            bottoms: shapes of all bottoms, that one as it was guessed.
        """
        return None

    def weight_shapes(self, bottoms: Shapes) -> Shapes:
        """Shapes of the parameter blobs in Caffe's layout."""
        return ()

    def fillers(self) -> tuple[Filler, ...]:
        """Fillers of the parameter blobs that are not loaded, in the blobs' order."""
        return tuple(getattr(self, name) for name in _FILLERS if hasattr(self, name))

    def keras_weights(self, blobs: Sequence[Array], channels: int | None) -> list[KerasWeight]:
        """The blobs as Keras holds them.

        Args:
            blobs: the parameter blobs, Caffe's layout.
            channels: how many channels were flattened into the bottom, where the
                layer reads a flattened map (see `Network.flattened_channels`).
        """
        return [KerasWeight(f"blob{i}", blob.shape, blob) for i, blob in enumerate(blobs)]

    def caffe_blobs(self, weights: Sequence[Array], channels: int | None) -> list[Array]:
        """The inverse of `keras_weights`."""
        return list(weights)


@dataclass(frozen=True)
class UnknownLayer(LayerParams):
    """A type that keras-fcn does not know; kept so that its weights can be read.

    `fields` holds what its layer says in the prototxt.
    """

    places: ClassVar[Spatial | None] = nowhere("of a type that is not known")
    bottom_count: ClassVar[tuple[int, int | None]] = (0, None)
    top_count: ClassVar[tuple[int, int | None]] = (0, None)

    fields: Fields = NO_FIELDS

    @classmethod
    def read(cls, layer: LayerDefinition) -> Self:
        return cls(layer.fields)

    def write(self) -> Fields:
        return self.fields


P = TypeVar("P", bound=type[LayerParams])

LAYER_TYPES: dict[str, type[LayerParams]] = {}
"""Caffe layer type -> its typed parameters."""


DIALECTS: dict[str, dict[str, type[LayerParams]]] = {}
"""Caffe layer type -> fork -> its typed parameters, for types that forks define differently."""


def caffe_layer(*types: str, dialect: str | None = None) -> Callable[[P], P]:
    """Register a LayerParams class for one or more Caffe layer types.

    Args:
        *types: the types.
        dialect: the fork that defines them so, where another has the same name for
            something else; see `keras_fcn.caffe.layers.dialects`. What is registered
            first is taken where nothing tells the forks apart.
    """

    def register(cls: P) -> P:
        for name in types:
            forks = DIALECTS.get(name, {})
            if name in LAYER_TYPES or dialect in forks or (forks and dialect is None):
                raise ValueError(f"layer type {name!r} is registered twice")
            if dialect is None:
                LAYER_TYPES[name] = cls
            else:
                DIALECTS.setdefault(name, {})[dialect] = cls
        return cls

    return register


def _check_label(message: str, name: str, value: Any) -> None:
    """Refuse a word that is no label of a field's enum."""
    if isinstance(value, Word) and value not in (known := schema.labels(message, name)):
        raise NetworkError(f"field {name!r} cannot be {value!r}; known are {', '.join(known)}")


def known(sizes: Iterable[int | None]) -> tuple[int, ...] | None:
    """Sizes that are all known, None as soon as one is not."""
    result = []
    for size in sizes:
        if size is None:
            return None
        result.append(size)
    return tuple(result)


def product(sizes: Iterable[int | None]) -> int | None:
    """Product of sizes, None as soon as one is unknown."""
    all_known = known(sizes)
    return None if all_known is None else math.prod(all_known)


def canonical_axis(axis: int, rank: int, field: str = "axis") -> int:
    """A possibly negative axis as an index into a shape of `rank` axes."""
    if not -rank <= axis < rank:
        raise NetworkError(f"{field}: {axis} is outside a blob with {rank} axes")
    return axis % rank


def expect_rank(shape: Shape, fewest: int, most: int | None = None) -> None:
    """Require a number of axes: exactly `fewest`, or up to `most`."""
    if not fewest <= len(shape) <= (most or fewest):
        wanted = f"{fewest} to {most}" if most else f"{fewest}"
        raise NetworkError(f"needs a bottom with {wanted} axes, got shape {shape}")
