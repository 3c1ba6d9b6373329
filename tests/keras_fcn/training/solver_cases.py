"""Ten iterations of Caffe's solvers: see the reference data's own description."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tests.golden import REPOSITORY

FOLDER = REPOSITORY / "tests" / "data" / "golden" / "training"
_NUMBERS = ("gamma", "power", "stepsize")


@dataclass(frozen=True)
class SolverCase:
    """A folder with a solver, and what it did."""

    folder: Path

    def __str__(self) -> str:
        return self.folder.name

    @cached_property
    def trajectory(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / "trajectory.npz") as arrays:
            return dict(arrays)

    @cached_property
    def batches(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Images and labels, channels last."""
        with np.load(self.net / "batches.npz") as arrays:
            images, labels = arrays["data"], arrays["label"]
        labels = np.moveaxis(labels, 2, -1) if labels.ndim > 2 else labels
        return list(zip(np.moveaxis(images, 2, -1), labels, strict=True))

    @cached_property
    def fields(self) -> dict[str, list[str]]:
        """The solver's fields, repeated ones in order."""
        found: dict[str, list[str]] = {}
        text = (self.folder / "solver.prototxt").read_text()
        for name, value in re.findall(r'^(\w+): "?([^"\n]+)', text, re.MULTILINE):
            found.setdefault(name, []).append(value)
        return found

    @property
    def net(self) -> Path:
        return self.folder / Path(self.fields["net"][0]).parent

    def number(self, name: str) -> float | None:
        return float(self.fields[name][0]) if name in self.fields else None

    @property
    def schedule(self) -> dict[str, Any]:
        """Arguments of the learning rate's policy."""
        return {
            "policy": self.fields["lr_policy"][0],
            "base_lr": self.number("base_lr"),
            "stepvalues": [int(value) for value in self.fields.get("stepvalue", ())],
            **{name: self.number(name) for name in _NUMBERS},
        }


def solver_cases(pattern: str) -> list[SolverCase]:
    """The cases whose names match a glob pattern; at least one."""
    found = [SolverCase(path.parent) for path in sorted(FOLDER.glob(f"{pattern}/solver.prototxt"))]
    if not found:
        raise ValueError(f"no solver case matches {pattern!r} in {FOLDER}")
    return found
