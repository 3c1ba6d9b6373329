"""Runs of Caffe's solvers: see the reference data's own description."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from keras_fcn.caffe.blobs.solverstate import load_solverstate
from keras_fcn.solver import Solver
from tests.golden import REPOSITORY, assert_close

GOLDEN = REPOSITORY / "tests" / "data" / "golden"
_NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?")
_PACE = re.compile(r"\(\S+ iter/s, \S+s/\d+ iters\)")
_LINE = re.compile(r"[IW]\d{4} \S+ +\d+ ((?:solver|sgd_solver|caffe)\.cpp:\d+)\] (.*)")


@dataclass(frozen=True)
class Run:
    """A folder with a solver, and what Caffe's did."""

    folder: Path

    def __str__(self) -> str:
        return self.folder.name

    @cached_property
    def trajectory(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / "trajectory.npz") as arrays:
            return dict(arrays)

    @cached_property
    def case(self) -> dict[str, Any]:
        return json.loads((self.folder / "case.json").read_text())

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
        return self.folder / Path((self.fields.get("net") or self.fields["train_net"])[0]).parent

    def number(self, name: str) -> float | None:
        return float(self.fields[name][0]) if name in self.fields else None

    @property
    def schedule(self) -> dict[str, Any]:
        """Arguments of the learning rate's policy."""
        return {
            "policy": self.fields["lr_policy"][0],
            "base_lr": self.number("base_lr"),
            "stepvalues": [int(value) for value in self.fields.get("stepvalue", ())],
            **{name: self.number(name) for name in ("gamma", "power", "stepsize")},
        }

    @cached_property
    def batches(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Images and labels, channels last."""
        pairs = [(x["data"], x["label"]) for x in self.feed()]
        return [
            (np.moveaxis(x, 1, -1), np.moveaxis(y, 1, -1) if y.ndim > 1 else y) for x, y in pairs
        ]

    def feed(self, skipped: int = 0):
        with np.load(self.net / "batches.npz") as arrays:
            pairs = list(zip(arrays["data"], arrays["label"], strict=True))
        return [{"data": data, "label": label} for data, label in pairs[skipped:]]

    def files(self, tmp_path: Path) -> Path:
        """A copy that may be written to, without what Caffe's run gave."""
        given = shutil.ignore_patterns("snap_*", "resumed*", "log*", "*.npz")
        target = tmp_path / self.folder.name
        if self.net != self.folder:
            shutil.copytree(self.net, tmp_path / self.net.name)
        shutil.copytree(self.folder, target, ignore=given)
        return target

    def require_parameters(self, solver: Solver, tolerance: float = 1e-5) -> int:
        """Compare those of an iteration where they are known; how many were compared."""
        prefix = f"iter_{solver.iteration:02d}/"
        known = {k: v for k, v in self.trajectory.items() if k.startswith(prefix)}
        for key, expected in known.items():
            _, layer, index = key.split("/")
            assert_close(solver.params[layer][int(index)].data, expected, tolerance)
        return len(known)


def runs(kind: str, pattern: str = "*") -> list[Run]:
    found = [Run(x.parent) for x in sorted((GOLDEN / kind).glob(f"{pattern}/solver.prototxt"))]
    assert found
    return found


def require_same_state(ours: Path, theirs: Path) -> None:
    state, expected = load_solverstate(ours), load_solverstate(theirs)
    assert (state.iter, state.learned_net) == (expected.iter, expected.learned_net)
    assert state.current_step == expected.current_step
    pairs = list(zip(state.arrays(), expected.arrays(), strict=True))
    for array, wanted in pairs:
        assert array.shape == wanted.shape
        assert_close(array, wanted, 1e-5)
    assert pairs


def log_lines(text: str) -> list[tuple[str, list[str], list[float]]]:
    """Place, words and numbers of the lines from the start of the optimization on."""
    found = [match.groups() for match in map(_LINE.match, text.splitlines()) if match]
    begin = next((i for i, x in enumerate(found) if x[1] == "Starting Optimization"), None)
    if begin is None:  # of `caffe test`
        begin = next(i for i, x in enumerate(found) if x[1].startswith("Running for"))
    told = [(place, _PACE.sub("()", line)) for place, line in found[begin:]]
    return [(p, _NUMBER.split(x), list(map(float, _NUMBER.findall(x)))) for p, x in told]


def require_same_log(ours: str, theirs: str) -> None:
    found, wanted = log_lines(ours), log_lines(theirs)
    assert [x[:2] for x in found] == [x[:2] for x in wanted]
    for (_, _, numbers), (place, words, expected) in zip(found, wanted, strict=True):
        np.testing.assert_allclose(numbers, expected, 1e-4, 1e-6, err_msg=f"{place} {words}")
