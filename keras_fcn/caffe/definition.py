"""Content of a prototxt as plain frozen data: fields, layers, the net. No protobuf in it."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, Self

from keras_fcn.caffe.records import dataclass


class Word(str):
    """A value that stands in a text without quotes, such as the label of an enum."""

    __slots__ = ()


class Fields(Mapping[str, Any]):
    """The fields that a message sets, and no others: name -> value.

    A value is a bool, int, float, str, `Word` (the label of an enum), `Fields` (a message), or
    a tuple of these (a repeated field). Lists and mappings become tuples and `Fields`, a list in
    a list becomes part of it; a repeated field without values is not set.

    Immutable, hashable, and equal whatever the order of the fields; NaN equals NaN.

    Args:
        values: field -> value.
        **more: the same, as keyword arguments.

    Raises:
        TypeError: a value is of another kind.
    """

    __slots__ = ("_hash", "_values")

    _hash: int | None
    _values: dict[str, Any]

    def __init__(self, values: Mapping[str, Any] = {}, /, **more: Any) -> None:
        pairs = {**values, **more}
        plain = {name: _plain(name, value) for name, value in pairs.items()}
        self._values = {name: value for name, value in plain.items() if value != ()}
        self._hash = None

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Fields):
            return self._values == other._values
        return self._values == dict(other) if isinstance(other, Mapping) else NotImplemented

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self._values.items()))
        return self._hash

    def __repr__(self) -> str:
        return f"Fields({self._values!r})"

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, Any]]]:
        return type(self), (self._values,)

    @classmethod
    def of_plain(cls, values: dict[str, Any]) -> Fields:
        """Fields that hold a dictionary itself, whose values are what such fields hold."""
        fields = cls.__new__(cls)
        fields._values, fields._hash = values, None
        return fields

    def message(self, name: str) -> Fields:
        """The message in a field; without fields where it is not set."""
        value: Fields = self._values.get(name, NO_FIELDS)
        return value

    def with_(self, **values: Any) -> Fields:
        """These fields, some of them set to other values."""
        return Fields(self._values, **values)

    def without(self, *names: str) -> Fields:
        """These fields but for some, which need not be set."""
        return self.of_plain({name: x for name, x in self._values.items() if name not in names})

    def within(self, name: str) -> Fields:
        """Fields whose one field is a message of these; none where there are none."""
        return self.of_plain({name: self}) if self else NO_FIELDS

    def added(self, place: Sequence[tuple[str, int]], name: str, value: Any) -> Fields:
        """These fields with one more value, perhaps in a message within.

        Args:
            place: the fields that lead to the message, outermost first, each with which of
                its messages it is, counted from 0; empty: these fields themselves.
            name: the field there; with the values that it has it is a repeated one.
            value: its value.
        """
        if not place:
            given = [self._values[name]] if name in self._values else []
            return self.with_(**{name: [*given, value] if given else value})
        (field, index), *rest = place
        inner = self._values.get(field, NO_FIELDS)
        if isinstance(inner, tuple):
            new: Any = list(inner)
            new[index] = inner[index].added(rest, name, value)
        else:
            new = inner.added(rest, name, value)
        return self.with_(**{field: new})

    def merged(self, other: Mapping[str, Any]) -> Fields:
        """Both together, one within the other where both have a message."""
        result = dict(self._values)
        for name, value in other.items():
            inner = result.get(name)
            if isinstance(inner, Fields) and isinstance(value, Mapping):
                result[name] = inner.merged(value)
            else:
                result[name] = value
        return Fields(result)


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, str | int | bytes) or type(value) is Fields:
        return value
    if isinstance(value, float):
        return math.nan if value != value else float(value)  # one NaN, equal to itself
    if isinstance(value, list | tuple):
        items = [_plain(name, item) for item in value]
        return tuple(x for item in items for x in (item if isinstance(item, tuple) else (item,)))
    if isinstance(value, Mapping):
        return Fields(value)
    if hasattr(value, "item"):  # a number of numpy's
        return _plain(name, value.item())
    raise TypeError(f"field {name!r} cannot hold {value!r}")


NO_FIELDS = Fields()


def single(value: float) -> float:
    """The float32 next to a number, which is what a message holds of it."""
    return ctypes.c_float(value).value


@dataclass(frozen=True)
class ParamSpec:
    """`ParamSpec`: how one parameter blob is shared and trained.

    Attributes:
        name: the blob is shared with all that have this name; `""` for none.
        lr_mult: factor of the learning rate; 0 freezes the blob.
        decay_mult: factor of the weight decay.
        share_mode: `"STRICT"`: those that share the blob have it in one shape;
            `"PERMISSIVE"`: with as many numbers.
        others: fields that only forks have.
        given: which of the factors the prototxt gives, be it as 1.
    """

    name: str = ""
    lr_mult: float = 1.0
    decay_mult: float = 1.0
    share_mode: str = "STRICT"
    others: Fields = field(default=NO_FIELDS, repr=False)
    given: frozenset[str] = field(default=frozenset(), repr=False, compare=False)


@dataclass(frozen=True)
class StateRule:
    """`NetStateRule`: the states that an `include` or `exclude` is for.

    Attributes:
        phase: `"TRAIN"` or `"TEST"`; None: either.
        min_level: the lowest level; None: any.
        max_level: the highest level; None: any.
        stages: stages that the state must have.
        not_stages: stages that it must not have.
    """

    phase: str | None = None
    min_level: int | None = None
    max_level: int | None = None
    stages: tuple[str, ...] = ()
    not_stages: tuple[str, ...] = ()


@dataclass(frozen=True)
class LayerDefinition:
    """`LayerParameter`: what a prototxt says of one layer.

    Attributes:
        name: its name.
        type: its type, `""` where it has none.
        bottoms: names of the blobs it reads.
        tops: names of the blobs it makes.
        param_specs: how its parameter blobs are shared and trained, in their order.
        loss_weights: factors of its tops in the objective.
        propagate_down: for each bottom whether the gradient passes; empty: wherever it
            is needed.
        phase: `"TRAIN"` or `"TEST"` where the layer itself says so.
        include: rules of which a state must meet one.
        exclude: rules of which a state must meet none.
        fields: all other fields: the parameter messages under their names, and what
            only forks have, be it in the schema or not.
        line: where it starts in the prototxt, 0 where it has no line.
    """

    name: str
    type: str
    bottoms: tuple[str, ...] = ()
    tops: tuple[str, ...] = ()
    param_specs: tuple[ParamSpec, ...] = ()
    loss_weights: tuple[float, ...] = ()
    propagate_down: tuple[bool, ...] = ()
    phase: str | None = None
    include: tuple[StateRule, ...] = ()
    exclude: tuple[StateRule, ...] = ()
    fields: Fields = NO_FIELDS
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class NetDefinition:
    """`NetParameter` in its current form, without weights: what a prototxt says.

    Attributes:
        name: its name.
        layers: in the prototxt's order; headers `input` have become Input layers.
        phase: `"TRAIN"` or `"TEST"` where its own `state` says so.
        level: the level of that state.
        stages: the stages of that state.
        force_backward: whether every layer passes gradients on.
        debug_info: whether Caffe logs each blob's mean magnitude.
        others: fields that only forks have.
    """

    name: str = ""
    layers: tuple[LayerDefinition, ...] = ()
    phase: str | None = None
    level: int = 0
    stages: tuple[str, ...] = ()
    force_backward: bool = False
    debug_info: bool = False
    others: Fields = NO_FIELDS
