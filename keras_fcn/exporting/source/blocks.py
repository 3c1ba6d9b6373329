"""Repeated parts of a network as loops and helper functions, where they are plain."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras

from keras_fcn.exporting.source.expressions import Arguments
from keras_fcn.exporting.source.layout import Verbatim
from keras_fcn.exporting.source.names import TAKEN, identifier
from keras_fcn.exporting.source.steps import Owner, Step, Steps, Tensor

_LONGEST = 12
_MOST_PARAMETERS = 8
_HEAD = 80  # what a loop's first line has room for
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
    path = ""
    caffe = ""


@dataclass(frozen=True)
class Loop:
    """A pattern, once for each row, each on what the one before it made."""

    pattern: Pattern
    inputs: list[Tensor]
    outputs: tuple[Tensor, ...]


Item = Step | HelperCall
Part = Step | HelperCall | Loop


def structured(found: Steps) -> list[Part]:
    """The steps of a model with repeated parts put together."""
    return _looped(_with_helpers(found), found)


def _with_helpers(found: Steps) -> list[Item]:
    """Parts that branch and come together again, and that stand in several places."""
    segments = _segments(found)
    reads = Counter([*found.outputs, *(x for step in found.steps for x in step.inputs)])
    groups: dict[str, list[int]] = defaultdict(list)
    for place, segment in enumerate(segments):
        if len(segment) > 2 and _is_plain(segment, found, reads):
            groups[_key(segment)].append(place)
    calls: dict[int, HelperCall] = {}
    names: set[str] = set()
    for places in groups.values():
        pattern = _pattern([segments[place] for place in places]) if len(places) > 1 else None
        if pattern is None:
            continue
        helper = Helper(_helper_name([segments[place] for place in places], names), pattern)
        for place, row in zip(places, pattern.rows, strict=True):
            first, last = segments[place][0], segments[place][-1]
            calls[place] = HelperCall(
                helper,
                dict(zip(pattern.parameters, row, strict=True)),
                first.inputs[:1],
                last.outputs,
            )
    items: list[Item] = []
    for place, segment in enumerate(segments):
        items += [calls[place]] if place in calls else segment
    return items


def _segments(found: Steps) -> list[list[Step]]:
    """The steps, cut wherever one tensor is all that is read further on."""
    last = {tensor: len(found.steps) for tensor in found.outputs}
    for place, step in enumerate(found.steps):
        for tensor in step.inputs:
            last[tensor] = max(last.get(tensor, 0), place)
    live = {tensor for tensor, _ in found.inputs if tensor in last}
    segments: list[list[Step]] = [[]]
    for place, step in enumerate(found.steps):
        segments[-1].append(step)
        live |= {tensor for tensor in step.outputs if tensor in last}
        live = {tensor for tensor in live if last[tensor] > place}
        if len(live) == 1:
            segments.append([])
    return [segment for segment in segments if segment]


def _is_plain(segment: Sequence[Step], found: Steps, reads: Counter[Tensor]) -> bool:
    """Whether a segment reads one tensor from outside, gives one, and names no other layer."""
    made = {tensor for step in segment for tensor in step.outputs}
    inside = Counter(x for step in segment for x in step.inputs)
    outside = [x for x in inside if x not in made]
    return (
        segment[0].inputs[:1] == outside
        and {x for x in made if reads[x] > inside[x]} == {*segment[-1].outputs}
        and len(segment[-1].outputs) == 1
        and all(_stands_alone(step, found) for step in segment)
    )


def _stands_alone(item: Item, found: Steps) -> bool:
    if isinstance(item, HelperCall):
        return True
    owners = any(isinstance(x, Owner) for x in keras.tree.flatten([*item.arguments.values()]))
    return not (owners or item.again or item.listed or item.layer in found.named)


def _looped(items: list[Item], found: Steps) -> list[Part]:
    readers: dict[Tensor, int] = defaultdict(int)
    for tensor in [*found.outputs, *(x for item in items for x in item.inputs)]:
        readers[tensor] += 1
    parts: list[Part] = []
    place = 0
    while place < len(items):
        loop, length = _loop_at(items[place:], found, lambda x: readers[x] == 1)
        parts.append(items[place] if loop is None else loop)
        place += length
    return parts


def _loop_at(
    items: list[Item], found: Steps, read_once: Callable[[Tensor], bool]
) -> tuple[Loop | None, int]:
    """The loop that begins here and saves most lines, and how many items it stands for."""
    best: tuple[Loop | None, int] = (None, 1)
    saved = 1
    chain = _chain(items, found, read_once)
    for length in range(1, min(_LONGEST, len(chain) // 2) + 1):
        key = _key(chain[:length])
        count = 1
        while _key(chain[count * length : (count + 1) * length]) == key:
            count += 1
        if (count - 1) * length <= saved or (length == 1 and isinstance(chain[0], Step)):
            continue
        groups = [chain[n * length : (n + 1) * length] for n in range(count)]
        pattern = _pattern(groups)
        if pattern is not None and len(", ".join(pattern.parameters)) < _HEAD:
            saved = (count - 1) * length
            best = (Loop(pattern, chain[0].inputs, groups[-1][-1].outputs), count * length)
    return best


def _chain(items: list[Item], found: Steps, read_once: Callable[[Tensor], bool]) -> list[Item]:
    """The items from the first on of which each reads what the one before it made, alone."""
    chain: list[Item] = []
    for item in items:
        linked = not chain or (item.inputs == [*chain[-1].outputs] and read_once(item.inputs[0]))
        if not linked or len(item.inputs) != 1 or len(item.outputs) != 1:
            break
        if not _stands_alone(item, found):
            break
        chain.append(item)
    return chain


def _key(items: Sequence[Item]) -> str:
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
        begin = _common(column)
        rests = [text[len(begin) :] for text in column]
        end = _common([rest[::-1] for rest in rests])[::-1]
        middles = tuple(rest[: len(rest) - len(end)] for rest in rests)
        return begin, self.parameter(middles, ["name"]), end


def _pattern(groups: Sequence[Sequence[Item]]) -> Pattern | None:
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


def _common(texts: Sequence[str]) -> str:
    """What all texts begin with."""
    first, last = min(texts), max(texts)
    return next((first[:n] for n, x in enumerate(first) if x != last[n : n + 1]), first)


def _holds_tensors(value: Any) -> bool:
    return any(isinstance(x, Tensor) for x in keras.tree.flatten(value))


def _template(begin: str, parameter: str, end: str) -> Verbatim:
    return Verbatim(f'f"{begin}{{{parameter}}}{end}"' if begin or end else parameter)


def _helper_name(segments: Sequence[Sequence[Step]], taken: set[str]) -> str:
    """A name for what layers of some names make: what these begin with."""
    begin = _common([step.layer for segment in segments for step in segment])
    wish = identifier(begin.rstrip("0123456789_"), "block")
    wish = wish if len(wish) > 2 else "block"
    name = next(x for x in (wish, *(f"{wish}_{n}" for n in range(2, 100))) if x not in taken)
    taken.add(name)
    return name
