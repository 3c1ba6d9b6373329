"""The forms in which pycaffe's `Net` takes its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from keras_fcn.pycaffe.modes import Phase

_BY_PHASE = ("phase", "level", "stages", "weights")
_BY_WEIGHTS = ("weights", "phase")


@dataclass(frozen=True)
class Form:
    """Arguments of a `Net`; None where they are not given."""

    phase: Any = None
    level: int | None = None
    stages: Sequence[str] | None = None
    weights: Any = None

    @property
    def phase_name(self) -> str:
        """`"TEST"` or `"TRAIN"`.

        Raises:
            ValueError: another phase.
        """
        if self.phase is None:
            return Phase.TEST.name
        if _is_phase(self.phase):
            return Phase[self.phase].name if isinstance(self.phase, str) else Phase(self.phase).name
        raise ValueError(
            f"phase must be keras_fcn.TEST or keras_fcn.TRAIN. Received: {self.phase!r}"
        )


def told(args: Sequence[Any], named: Form) -> Form:
    """Arguments with those that stand behind the prototxt by position.

    Raises:
        TypeError: there are too many, or one is given twice.
    """
    order = _BY_PHASE if args and _is_phase(args[0]) else _BY_WEIGHTS
    if len(args) > len(order):
        raise TypeError(
            f"Net takes (prototxt, {', '.join(order)}) in this order. Received: {1 + len(args)} "
            "arguments by position"
        )
    given = dict(zip(order, args, strict=False))
    for field in fields(named):
        if field.name in given and getattr(named, field.name) is not None:
            raise TypeError(f"{field.name} is given by position and by name")
    return replace(named, **given)


def _is_phase(value: Any) -> bool:
    if isinstance(value, str):
        return value in Phase.__members__
    return isinstance(value, int) and not isinstance(value, bool) and value in list(Phase)
