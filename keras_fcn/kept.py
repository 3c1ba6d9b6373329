"""Answers about a model, kept with it as long as its layers stay as they are."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    import keras

_MOST = 64
_Arguments = ParamSpec("_Arguments")
_Found = TypeVar("_Found")


def kept(
    find: Callable[Concatenate[keras.Model, _Arguments], _Found],
) -> Callable[Concatenate[keras.Model, _Arguments], _Found]:
    """Let a function of a model, and of hashable arguments, compute its answer once.

    It computes it anew where an attribute of a layer, or the model's inputs or outputs have
    changed. Weights may change: the answer must not depend on them, nor hold the model.
    """

    @functools.wraps(find)
    def found(model: keras.Model, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Found:
        if not getattr(model, "outputs", None):
            return find(model, *args, **kwargs)
        findings = _findings(model)
        key = (find, args, *sorted(kwargs.items()))
        if key not in findings:
            if len(findings) >= _MOST:
                findings.clear()
            findings[key] = find(model, *args, **kwargs)
        answer: _Found = findings[key]
        return answer

    return found


class _Kept:
    """Holder of kept answers, so that Keras tracks none of them."""

    def __init__(self, state: list[Any]) -> None:
        self.state = state
        self.findings: dict[Any, Any] = {}


def _findings(model: Any) -> dict[Any, Any]:
    state = layers_state(model)
    known = vars(model).get("_findings")
    if not isinstance(known, _Kept) or not same_state(known.state, state):
        model._findings = known = _Kept(state)
    return known.findings


def layers_state(model: keras.Model) -> list[Any]:
    """Everything that the layers hold; of weights the variables, not what is in them."""
    values = [*model.inputs, *model.outputs]
    for layer in model._flatten_layers(include_self=False):
        values += vars(layer).values()
    return values


def same_state(old: list[Any], new: list[Any]) -> bool:
    """Whether nothing has changed between two states of a model."""
    return len(old) == len(new) and all(map(operator.is_, old, new))
