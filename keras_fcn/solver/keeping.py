"""When snapshots are written and gone on from, and what is kept in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_fcn.caffe.blobs.solverstate import SolverState
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.layers.base import Array
from keras_fcn.caffe.text.solver import SolverDefinition
from keras_fcn.caffe.words import either
from keras_fcn.solver.files import Files, beside
from keras_fcn.solver.health import require_finite_parameters
from keras_fcn.solver.log import Log
from keras_fcn.solver.opening import Nets
from keras_fcn.solver.rates import current_step
from keras_fcn.solver.reporting import Report
from keras_fcn.solver.snapshots import (
    fitted_weights,
    read_place,
    read_snapshot,
    restore_states,
    write_snapshot,
)
from keras_fcn.solver.updates import Step

__all__ = ["Keeper"]


class Keeper:
    """Writes and restores the snapshots of a solver.

    Args:
        solver: what it says.
        files: names of its files.
        nets: its nets.
        step: its history.
        report: its mean of losses.
        log: where lines go.

    Attributes:
        last: the state that was written, or restored, last.
        failed: snapshots of a run that could not be written.
        behind: whether the last one that was due could not.
    """

    def __init__(
        self,
        solver: SolverDefinition,
        files: Files,
        nets: Nets,
        step: Step,
        report: Report,
        log: Log,
    ) -> None:
        self._solver = solver
        self._files = files
        self._nets = nets
        self._step = step
        self._report = report
        self._log = log
        self.last: Path | None = None
        self.failed = 0
        self.behind = False

    def write(self) -> Path:
        """Write a snapshot of now; the path of its state.

        Raises:
            CaffeError: a file cannot be written, or a parameter is no number.
        """
        self._nets.train.params.keep_in_step()
        require_finite_parameters(self._nets.train)
        now = self._step.iteration
        learned, weights, state, _ = self._files.snapshot(now)
        kind, form = ("HDF5 ", "HDF5") if weights.suffix == ".h5" else ("", "binary proto")
        self._log(f"{kind}snapshot", f"Snapshotting to {form} file {learned}")
        notes = {
            "type": self._solver.type,
            "report": self._report.state(),
            "data": [net.sources.state() for net in self._nets.every],
        }
        diffs = self._step.diffs() if self._solver.snapshot_diff else None
        made = current_step(self._solver, now - 1)
        write_snapshot(self._files, self._nets.train, self._step, made, notes, diffs)
        self._log(f"{kind}state", f"Snapshotting solver state to {form} file {state}")
        self.last, self.behind = state, False
        return state

    def write_in_run(self, on_failed: str) -> None:
        """Write a snapshot; where it cannot be, stop, or tell so and go on.

        Args:
            on_failed: `"stop"` or `"continue"`.

        Raises:
            CaffeError: it cannot be written, and the run is to stop.
        """
        try:
            self.write()
        except CaffeError as error:
            kept = f"the last snapshot is {self.last}" if self.last else "there is none yet"
            problem = f"iteration {self._step.iteration}: no snapshot: {error}; {kept}"
            if on_failed == "stop":
                raise CaffeError(problem) from error
            self.failed += 1
            self.behind = True
            self._log("snapshot", problem, "W")

    def tell_of_failed(self) -> None:
        """Say at the end of a run how many could not be written."""
        if self.failed:
            what = f"snapshots that could not be written: {self.failed}"
            self._log("snapshot", f"{what}; the last one is {self.last or 'none'}", "W")

    def restore(self, path: Path, data: bool) -> bool:
        """Go on from a snapshot.

        Args:
            path: its state.
            data: whether data go on behind it too, where the place is known.

        Returns:
            Whether they do.

        Raises:
            CaffeError: a file is damaged, or that of another net or type of solver, or the data
                are others; then nothing has changed.
        """
        self._log("resuming", f"Resuming from {path}")
        train, step = self._nets.train, self._step
        state, weights, others = read_snapshot(path, self._files)
        for other in others:
            what = f"{other}, which {path.name} may name too, differs from {weights} beside it"
            self._log("weights", f"{what}, which counts", "W")
        history = step.require(state.arrays(), str(path))
        blobs = fitted_weights(weights, path, train)
        place = self._read_place(path, state, data)
        train.params.set(blobs)
        self._log("weights", f"Weights are those of {weights}")
        step.restore(state.iter, history, str(path))
        self._log("history", "SGDSolver: restoring history")
        made = current_step(self._solver, state.iter - 1)
        if made != state.current_step:
            what = f"{path} was written at step {state.current_step} of the rate's policy; by the"
            self._log("history", f"{what} solver it is {made}, which counts", "W")
        self.last = path
        if place is None or "type" not in place[0]:
            what = f"{path}: it does not tell the type of its solver, and is taken for that of"
            self._log("history", f"{what} type {self._solver.type!r}")
        place = place if data else None
        self._log("history", _told_of_place(beside(path), data, place is not None))
        if place is None:
            for net in self._nets.every:
                net.sources.restart()
            return False
        notes, arrays = place
        restore_states(train, step, arrays)
        self._report.restore(notes["report"], state.iter)
        for net, at in zip(self._nets.every, notes["data"], strict=False):
            net.sources.restore(at)
        return True

    def _read_place(
        self, path: Path, state: SolverState, data: bool
    ) -> tuple[dict[str, Any], dict[str, Array]] | None:
        """What is kept beside a snapshot, if it suits the solver and, where they count, the data.

        Where they do not, one that is damaged is passed over.
        """
        try:
            found = read_place(path, self._nets.train, self._step, state)
            notes = found[0] if found else {"data": ()}
            if data:
                for net, at in zip(self._nets.every, notes["data"], strict=False):
                    net.sources.require_states(at)
        except CaffeError as error:
            if not data:
                return None
            way = either("restore(..., data=False)", "--data-from-start")
            raise CaffeError(f"{error}; {way} begins at the first record, as Caffe does") from error
        wrote = notes.get("type", self._solver.type)
        if wrote != self._solver.type:
            self._solver.refuse(
                "type",
                f"{self._solver.type!r} has another history than {path}, which was written by one "
                f"of type {wrote!r}; take that type, or begin with the weights of the snapshot",
            )
        return found


def _told_of_place(place: Path, asked: bool, used: bool) -> str:
    """Whether data and chance go on where a snapshot was made, and why not."""
    if used:
        return f"Data and random states go on where they were: {place} was found and used"
    if not asked:
        why = f"{place} is not used, as was asked for"
    elif place.exists():
        why = f"{place} was found, but is that of another snapshot"
    else:
        why = f"there is no {place}"
    return f"Data begin at their first record, random states as in a new run: {why}"
