"""Net states: the layers that one keeps, and the state that would keep the others.

Source: `Net::FilterNet` and `Net::StateMeetsRule` of BVLC Caffe 1.0.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from keras_fcn.caffe.definition import LayerDefinition, StateRule
from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.names import place
from keras_fcn.caffe.records import dataclass
from keras_fcn.caffe.words import either

_PHASES = ("TRAIN", "TEST")

Definitions = Sequence[LayerDefinition]


class Ruled(Protocol):
    """Something with rules about the states it is for."""

    @property
    def include(self) -> Sequence[StateRule]: ...
    @property
    def exclude(self) -> Sequence[StateRule]: ...


@dataclass(frozen=True)
class NetState:
    """The state a network is loaded for; `phase` None keeps every layer."""

    phase: str | None = "TEST"
    level: int = 0
    stages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.phase not in (*_PHASES, None):
            raise ValueError(f"phase must be one of {_PHASES}. Received: phase={self.phase!r}")

    def keeps(self, layer: Ruled) -> bool:
        """Whether a layer's include and exclude rules let it in.

        Raises:
            NetworkError: it has rules of both kinds.
        """
        if self.phase is None:
            return True
        if layer.include and layer.exclude:
            raise NetworkError("give either 'include' or 'exclude' rules, not both")
        if layer.include:
            return any(map(self._meets, layer.include))
        return not any(map(self._meets, layer.exclude))

    def _meets(self, rule: StateRule) -> bool:
        return (
            rule.phase in (None, self.phase)
            and (rule.min_level is None or self.level >= rule.min_level)
            and (rule.max_level is None or self.level <= rule.max_level)
            and all(stage in self.stages for stage in rule.stages)
            and not any(stage in self.stages for stage in rule.not_stages)
        )

    def with_stages(self, stages: Sequence[str]) -> NetState:
        """The state with the stages that a prototxt has by itself, first."""
        return replace(self, stages=tuple(dict.fromkeys((*stages, *self.stages))))


TEST = NetState()


def split(
    layers: Definitions, state: NetState, path: str
) -> tuple[list[LayerDefinition], list[LayerDefinition]]:
    """The layers that a state keeps, and those that it leaves out.

    Raises:
        NetworkError: it keeps none, or a layer's rules contradict each other.
    """
    kept: list[LayerDefinition] = []
    left_out: list[LayerDefinition] = []
    for layer in layers:
        try:
            (kept if state.keeps(layer) else left_out).append(layer)
        except NetworkError as error:
            raise NetworkError(f"{place(path, layer)}: {error}") from error
    if not kept:
        hint = where_kept(left_out, state)
        raise NetworkError(
            f"{path}: no layers for phase {state.phase}, level {state.level}, "
            f"stages {list(state.stages)}{hint and f'; {hint}'}"
        )
    return kept, left_out


def where_made(name: str, left_out: Definitions, state: NetState) -> str:
    """Who makes a blob in another state, and how to ask for that; empty where nobody does."""
    for layer in left_out:
        other = _keeping(layer, state) if name in layer.tops else None
        if other is not None:
            maker = f"line {layer.line}" if layer.line else f"layer {layer.name!r}"
            return f"{maker} makes it for {_difference(other, state)}"
    return ""


def where_kept(left_out: Definitions, state: NetState) -> str:
    """Advice for a state that keeps no layer at all."""
    for layer in left_out:
        other = _keeping(layer, state)
        if other is not None:
            return f"its layers are for {_difference(other, state)}"
    return ""


def _keeping(layer: LayerDefinition, state: NetState) -> NetState | None:
    """The state nearest to this one that keeps a layer."""
    return next((other for other in _near(layer, state) if other.keeps(layer)), None)


def _near(layer: LayerDefinition, state: NetState) -> Iterator[NetState]:
    rules = (*layer.include, *layer.exclude)
    named = [name for rule in rules for name in (*rule.stages, *rule.not_stages)]
    bounds = [
        near
        for rule in rules
        for bound in (rule.min_level, rule.max_level)
        if bound is not None
        for near in (bound, bound + 1, bound - 1)
    ]
    stages = [
        state.stages,
        *((*state.stages, *rule.stages) for rule in rules if rule.stages),
        tuple(name for name in state.stages if name not in named),
    ]
    phases = (state.phase, *({"TRAIN", "TEST"} - {state.phase}))
    for level, phase, chosen in itertools.product((state.level, *bounds), phases, stages):
        yield replace(state, phase=phase, level=level, stages=tuple(dict.fromkeys(chosen)))


def _difference(other: NetState, state: NetState) -> str:
    """`phase TRAIN: ask for it with phase="TRAIN"`, or with the options."""
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
    return f"{', '.join(what)}: ask for it with {either(', '.join(python), ' '.join(flags))}"
