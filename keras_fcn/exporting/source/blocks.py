"""Repeated parts of a network as loops and helper functions, where they are plain."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import takewhile

import keras

from keras_fcn.exporting.source.names import identifier
from keras_fcn.exporting.source.patterns import (
    Helper,
    HelperCall,
    Item,
    Loop,
    Part,
    Pattern,
    common_pattern,
    common_start,
    part_key,
)
from keras_fcn.exporting.source.steps import Owner, Step, Steps, Tensor

_LONGEST = 12
_HEAD = 80  # what a loop's first line has room for


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
            groups[part_key(segment)].append(place)
    calls: dict[int, HelperCall] = {}
    names: set[str] = set()
    for places in groups.values():
        pattern = common_pattern([segments[place] for place in places]) if len(places) > 1 else None
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
    return not (owners or item.listed or item.layer in found.named)


def _looped(items: list[Item], found: Steps) -> list[Part]:
    reads = Counter([*found.outputs, *(x for item in items for x in item.inputs)])
    parts: list[Part] = []
    place = 0
    while place < len(items):
        loop, length = _loop_at(items[place:], found, lambda x: reads[x] == 1)
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
        if length == 1 and isinstance(chain[0], Step):
            continue
        rounds = _rounds(chain, length)
        while len(rounds) > 1 and (len(rounds) - 1) * length > saved:
            end = len(rounds) * length
            pattern = common_pattern(rounds)
            if pattern is not None and _is_plain_loop(pattern, chain, end):
                saved = end - length
                best = (Loop(pattern, chain[0].inputs, rounds[-1][-1].outputs), end)
            rounds.pop()
    return best


def _rounds(chain: list[Item], length: int) -> list[list[Item]]:
    """The parts of a length, all alike, that a chain begins with."""
    key = part_key(chain[:length])
    rounds = (chain[start : start + length] for start in range(0, len(chain), length))
    return [*takewhile(lambda items: part_key(items) == key, rounds)]


def _is_plain_loop(pattern: Pattern, chain: list[Item], end: int) -> bool:
    """Whether a loop over what stands before `end` reads well.

    Its first line is not long, all names go by one parameter, it is more than a table of calls,
    and what its rounds end in does not go on behind it.
    """
    short = len(", ".join(pattern.parameters)) < _HEAD and "name_2" not in pattern.parameters
    more = len(pattern.steps) > 1 or len(pattern.parameters) == 1
    return (short and more) and not any(
        part_key(chain[end - length : end]) == part_key(chain[end : end + length])
        for length in range(2, len(pattern.steps))
    )


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


def _helper_name(segments: Sequence[Sequence[Step]], taken: set[str]) -> str:
    """A name for what layers of some names make: what these begin with."""
    begin = common_start([step.layer for segment in segments for step in segment])
    wish = identifier(begin.rstrip("0123456789_"), "block")
    wish = wish if len(wish) > 2 else "block"
    name = next(x for x in (wish, *(f"{wish}_{n}" for n in range(2, 100))) if x not in taken)
    taken.add(name)
    return name
