"""What repeated parts of a network have in common, and the values in which they differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras

from keras_fcn.exporting.source.arguments import Arguments
from keras_fcn.exporting.source.layout import Verbatim
from keras_fcn.exporting.source.names import TAKEN, identifier
from keras_fcn.exporting.source.steps import Step, Tensor

_MOST_PARAMETERS = 8
_SAFE = re.compile(r"[A-Za-z0-9_./-]*")


@dataclass(frozen=True)
class Pattern:
    """Steps of which several parts of a network are instances.

    Attributes:
        steps: those of the first one, with parameters in the place of what differs.
        parameters: the parameters' names.
        rows: their values in each instance.
    """

    steps: tuple[Item, ...]
    parameters: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Helper:
    """A function of one tensor that makes a part of the network.

    Attributes:
        name: the function's.
        pattern: what it makes.
    """

    name: str
    pattern: Pattern


@dataclass(frozen=True)
class HelperCall:
    """A call of a helper; its parameters are `arguments`."""

    helper: Helper
    arguments: Arguments
    inputs: list[Tensor]
    outputs: tuple[Tensor, ...]
    caffe = note = ""

    @property
    def title(self) -> str:
        """The helper's name, with the first text that tells this call from others."""
        texts = (value for value in self.arguments.values() if isinstance(value, str))
        return f"{self.helper.name}_{next(texts, '')}"


@dataclass(frozen=True)
class Loop:
    """A pattern, once for each row, each on what the one before it made."""

    pattern: Pattern
    inputs: list[Tensor]
    outputs: tuple[Tensor, ...]

    @property
    def title(self) -> str:
        """That of its last step."""
        return self.pattern.steps[-1].title


Item = Step | HelperCall
Part = Step | HelperCall | Loop


def part_key(items: Sequence[Item]) -> str:
    """Equal for parts of the same layers, wired alike, with arguments of the same names."""
    numbers: dict[Tensor, int] = {}

    def wired(value: Any) -> Any:
        if isinstance(value, Tensor):
            return numbers.setdefault(value, len(numbers))
        return repr(value)

    return repr(
        [
            (
                item.helper.name if isinstance(item, HelperCall) else item.path,
                [*item.arguments],
                bool(item.caffe),
                keras.tree.map_structure(wired, _tensors(item)),
                [wired(x) for x in item.outputs],
            )
            for item in items
        ]
    )


def _tensors(item: Item) -> Any:
    if isinstance(item, HelperCall):
        return item.inputs
    return [list(item.given), item.options, item.inputs]


class _Slots:
    """Gathers parameters: equal columns of values are one."""

    def __init__(self) -> None:
        self.columns: dict[str, tuple[Any, ...]] = {}

    def parameter(self, column: tuple[Any, ...], wishes: Sequence[str]) -> str:
        """The parameter of these values; a new one gets the first wish that is free."""
        for name, held in self.columns.items():
            if [*map(repr, held)] == [*map(repr, column)]:
                return name
        numbered = (f"{wishes[0]}_{number}" for number in range(2, 100))
        taken = {*self.columns, *(TAKEN - {"name"})}
        name = next(x for x in (*wishes, *numbered) if x not in taken)
        self.columns[name] = column
        return name

    def text(self, column: tuple[str, ...]) -> tuple[str, str, str] | None:
        """Begin, parameter and end of texts that differ in one place; None: they are not plain."""
        if not all(map(_SAFE.fullmatch, column)):
            return None
        begin = common_start(column)
        rests = [text[len(begin) :] for text in column]
        end = common_start([rest[::-1] for rest in rests])[::-1]
        middles = tuple(rest[: len(rest) - len(end)] for rest in rests)
        return begin, self.parameter(middles, ["name"]), end


def common_pattern(groups: Sequence[Sequence[Item]]) -> Pattern | None:
    """What several parts with the same key are instances of; None where it is not plain."""
    slots = _Slots()
    steps = [_merged(items, slots) for items in zip(*groups, strict=True)]
    if None in steps or not 0 < len(slots.columns) <= _MOST_PARAMETERS:
        return None
    rows = tuple(zip(*slots.columns.values(), strict=True))
    return Pattern(tuple(steps), tuple(slots.columns), rows)


def _merged(items: Sequence[Any], slots: _Slots) -> Any:
    """One item for all, with parameters where they differ."""
    first = items[0]
    arguments: Arguments = {}
    end = ""
    for name in sorted(first.arguments, key=lambda x: x != "name"):  # it is part of others' names
        column = tuple(item.arguments[name] for item in items)
        value = column[0]
        if _holds_tensors(value):  # wired alike, as the keys are equal
            arguments[name] = value
            continue
        if any(repr(x) != repr(value) for x in column):
            text = slots.text(column) if name == "name" else None
            if name == "name" and text is not None:
                begin, parameter, end = text
                value = _template(begin, parameter, end)
            else:
                wished = f"{name}_{identifier(end)}" if end.strip("_") else name
                value = Verbatim(slots.parameter(column, [name, wished]))
        arguments[name] = value
    caffe = first.caffe
    if any(item.caffe != caffe for item in items):
        before = len(slots.columns)
        text = slots.text(tuple(item.caffe for item in items))
        if text is None or len(slots.columns) > before:
            return None
        caffe = f"{text[0]}{{{text[1]}}}{text[2]}"
    arguments = {name: arguments[name] for name in first.arguments}
    if isinstance(first, HelperCall):
        return replace(first, arguments=arguments)
    return replace(first, arguments=arguments, caffe=caffe)


def common_start(texts: Sequence[str]) -> str:
    """What all texts begin with."""
    first, last = min(texts), max(texts)
    return next((first[:n] for n, x in enumerate(first) if x != last[n : n + 1]), first)


def _holds_tensors(value: Any) -> bool:
    return any(isinstance(x, Tensor) for x in keras.tree.flatten(value))


def _template(begin: str, parameter: str, end: str) -> Verbatim:
    return Verbatim(f'f"{begin}{{{parameter}}}{end}"' if begin or end else parameter)
