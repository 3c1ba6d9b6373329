"""The table of hypotheses: what a reference may do otherwise, and for which kinds of layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from keras_fcn.caffe.layers import LayerParams
from keras_fcn.verifying.causes.steps import Chain, Step

Edits = Callable[[Step, Chain], Iterable[Step]]
"""A step as the network has it -> the steps that the reference may have in its place.

The chain is for reading: the reference's blob, other layers' weights, the blob after each step.
"""
E = TypeVar("E", bound=Edits)


@dataclass(frozen=True)
class Hypothesis:
    """What a reference may do otherwise.

    Attributes:
        name: a short name.
        sentence: what is otherwise, for who wrote the reference; `{layer}` stands for the layer,
            `{detail}` for what the step says of itself.
        kinds: parameter classes of the layers that it is for; empty: any.
        edits: the steps to try.
        freedom: how much is taken from the reference's numbers: 0 nothing, 1 a number or a few,
            2 weights. What takes less explains better.
    """

    name: str
    sentence: str
    kinds: tuple[type[LayerParams], ...]
    edits: Edits
    freedom: int = 0

    def suits(self, step: Step) -> bool:
        """Whether it is for the step's layer."""
        return not self.kinds or isinstance(step.params, self.kinds)


HYPOTHESES: dict[str, Hypothesis] = {}
"""Name -> hypothesis, in the order in which they are tried."""


def hypothesis(
    name: str, sentence: str, *kinds: type[LayerParams], freedom: int = 0
) -> Callable[[E], E]:
    """Register the edits of a hypothesis; see `Hypothesis`."""

    def register(edits: E) -> E:
        if name in HYPOTHESES:
            raise ValueError(f"hypothesis {name!r} is registered twice")
        HYPOTHESES[name] = Hypothesis(name, sentence, kinds, edits, freedom)
        return edits

    return register
