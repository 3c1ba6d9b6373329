"""Progress of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["State"]

_LOWER_IS_BETTER = ("val_loss",)


@dataclass
class State:
    """Progress of a run beside its variables; kept in its checkpoints.

    Attributes:
        step: updates made.
        loss_sum: of the updates of the epoch that is under way.
        history: a row an epoch.
        best_epoch: from 1; 0 before the first validation.
        best_value: of the monitored figure.
        best_metrics: the result's `to_dict` of the best epoch.
        stale: validations since the best.
        stopped: whether the run ended early.
        bad_pairs: those of the training data so far.
    """

    step: int = 0
    loss_sum: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best_value: float = math.nan
    best_metrics: dict[str, Any] = field(default_factory=dict)
    stale: int = 0
    stopped: bool = False
    bad_pairs: dict[str, str] = field(default_factory=dict)

    def judge(self, epoch: int, monitor: str, row: Mapping[str, float]) -> bool:
        """Takes note of a validation; whether it is the best so far.

        Args:
            epoch: from 1.
            monitor: name of the figure.
            row: all figures. One that is NaN is never better, except than nothing.
        """
        value, old = row[monitor], self.best_value
        better = value < old if monitor in _LOWER_IS_BETTER else value > old
        if self.best_epoch and not better and not (math.isnan(old) and not math.isnan(value)):
            self.stale += 1
            return False
        self.best_epoch, self.best_value, self.stale = epoch, value, 0
        return True
