"""Layers that a net state leaves out, and the state that would keep them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from keras_fcn.caffe.net.network import NetState

LeftOut = Sequence[tuple[Any, int]]
"""LayerParameter messages and the lines they start on, 0 where they have none."""


def where_made(name: str, left_out: LeftOut, state: NetState) -> str:
    """Who makes a blob in another state, and how to ask for that; empty where nobody does."""
    for layer, line in left_out:
        other = _keeping(layer, state) if name in layer.top else None
        if other is not None:
            maker = f"line {line}" if line else f"layer {layer.name!r}"
            return f"{maker} makes it for {_difference(other, state)}"
    return ""


def where_kept(left_out: LeftOut, state: NetState) -> str:
    """What to ask for where a state keeps no layer at all."""
    for layer, _ in left_out:
        other = _keeping(layer, state)
        if other is not None:
            return f"its layers are for {_difference(other, state)}"
    return ""


def _keeping(layer: Any, state: NetState) -> NetState | None:
    """The state nearest to this one that keeps a layer."""
    return next((other for other in _near(layer, state) if other.keeps(layer)), None)


def _near(layer: Any, state: NetState) -> Iterator[NetState]:
    rules = (*layer.include, *layer.exclude)
    named = [name for rule in rules for name in (*rule.stage, *rule.not_stage)]
    bounds = [
        bound
        for rule in rules
        for field in ("min_level", "max_level")
        if rule.HasField(field)
        for bound in (getattr(rule, field), getattr(rule, field) + 1, getattr(rule, field) - 1)
    ]
    stages = [
        state.stages,
        *((*state.stages, *rule.stage) for rule in rules if rule.stage),
        tuple(name for name in state.stages if name not in named),
    ]
    phases = (state.phase, *({"TRAIN", "TEST"} - {state.phase}))
    for level, phase, chosen in itertools.product((state.level, *bounds), phases, stages):
        yield replace(state, phase=phase, level=level, stages=tuple(dict.fromkeys(chosen)))


def _difference(other: NetState, state: NetState) -> str:
    """``phase TRAIN: ask for it with phase="TRAIN" (--phase TRAIN)``."""
    what, python, flags = [], [], []
    if other.phase != state.phase:
        what.append(f"phase {other.phase}")
        python.append(f'phase="{other.phase}"')
        flags.append(f"--phase {other.phase}")
    if other.stages != state.stages:
        asked = "".join(f'"{name}", ' for name in other.stages)
        names = " and ".join(repr(name) for name in other.stages if name not in state.stages)
        gone = ", ".join(repr(name) for name in state.stages if name not in other.stages)
        what.append(f"stage {names}" if not gone else f"a state without stage {gone}")
        python.append(f"stages=({asked.strip() if len(other.stages) == 1 else asked[:-2]})")
        flags += [f"--stage {name}" for name in other.stages] or ["no --stage"]
    if other.level != state.level:
        what.append(f"level {other.level}")
        python.append(f"level={other.level}")
        flags.append(f"--level {other.level}")
    return f"{', '.join(what)}: ask for it with {', '.join(python)} ({' '.join(flags)})"
