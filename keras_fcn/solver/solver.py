"""`keras_fcn.Solver`: training from a solver.prototxt, as Caffe does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from keras_fcn.caffe.text.solver import read_solver
from keras_fcn.caffe.words import argument
from keras_fcn.solver.counts import whole
from keras_fcn.solver.debugging import Debug
from keras_fcn.solver.devices import Devices
from keras_fcn.solver.feeding import Feed, told_of_skipped
from keras_fcn.solver.files import Files
from keras_fcn.solver.health import require_finite
from keras_fcn.solver.keeping import Keeper
from keras_fcn.solver.log import Log
from keras_fcn.solver.opening import Nets
from keras_fcn.solver.rates import schedule_of
from keras_fcn.solver.records import Records
from keras_fcn.solver.reporting import Report, is_due
from keras_fcn.solver.scoring import Scores
from keras_fcn.solver.shown import Shown
from keras_fcn.solver.testing import tested
from keras_fcn.solver.updates import Step
from keras_fcn.training.progress import Display
from keras_fcn.training.runtime.choice import current_runtime

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["Solver"]

_ON_FAILED_SNAPSHOT = ("stop", "continue")


class Solver(Shown):
    """A solver of Caffe's: its nets, its data, its updates, its files.

    The order of everything is Caffe's: tests, passes, display, update, snapshot. Where Caffe draws
    random numbers, ours are others. Snapshots are Caffe's files, `<prefix>_iter_<N>.caffemodel`
    and `.solverstate`, which Caffe resumes; a `.place.npz` beside them lets our own run go on with
    the next record, to the last bit. Without it, as after Caffe, data begin at the first record.

    Args:
        solver: a solver.prototxt. Relative paths begin at the working folder, as in Caffe, or
            else at the solver's.
        weights: weights to begin with, one or several, by layer name: `.caffemodel` files, the
            converter's `.h5`, or names of published models; None: those that the solver names.
        snapshot: a `.solverstate` to go on from.
        data_from_start: whether data then begin at the first record, as Caffe's do.
        level: of the net state of the net to train.
        stages: of it.
        feed: batches for inputs that no data layer reads files for: an iterable of, or a function
            that gives, dictionaries of input -> array in Caffe's axis order; one is taken a pass.
            A snapshot does not keep its place: to go on, give what comes next.
        test_feeds: the same for each test net.
        strategy: of TensorFlow, such as a `MirroredStrategy`, whose devices each pass over a batch
            of their own, as Caffe's GPUs do; None: one device.
        on_failed_snapshot: `"stop"`, or `"continue"` with a warning in the log.
        skip_bad: whether records that cannot be read are left out.
        output: a folder for `train.csv`, `test.csv` and TensorBoard's files; None: none.
        verbose: whether Caffe's log, and on a terminal a bar, are shown on standard error; where
            not, what went wrong and was passed over is a `CaffeWarning`.

    Raises:
        CaffeError: a file is wrong or missing; the message names file and line, layer or field.
        ValueError: arguments that do not go together.

    Attributes:
        definition: what the solver's prototxt says.
        test_nets: the Keras models of the test nets.

    Example:
        ```python
        solver = keras_fcn.Solver("solver.prototxt", weights="bvlc_reference_caffenet")
        solver.step(100)
        solver.params["conv1"][0].data  # float32, Caffe's layout
        solver.test()[0].outputs["accuracy"]
        solver.solve()
        ```

    Source: `src/caffe/solver.cpp` of BVLC Caffe 1.0.
    """

    def __init__(
        self,
        solver: str | Path,
        *,
        weights: str | Path | Sequence[str | Path] | None = None,
        snapshot: str | Path | None = None,
        data_from_start: bool = False,
        level: int = 0,
        stages: Sequence[str] = (),
        feed: Feed | None = None,
        test_feeds: Sequence[Feed | None] = (),
        strategy: tf.distribute.Strategy | None = None,
        on_failed_snapshot: str = "stop",
        skip_bad: bool = False,
        output: str | Path | None = None,
        verbose: bool = True,
    ) -> None:
        if on_failed_snapshot not in _ON_FAILED_SNAPSHOT:
            raise ValueError(
                f"{argument('on_failed_snapshot')} must be one of {_ON_FAILED_SNAPSHOT}. "
                f"Received: {on_failed_snapshot!r}"
            )
        if weights is not None and snapshot is not None:
            raise ValueError(
                f"give {argument('weights')} to begin, or {argument('snapshot')} to go on, not both"
            )
        self._devices = Devices(strategy)
        self.definition = read_solver(solver)
        schedule_of(self.definition)  # what it refuses is refused before data are opened
        self._files = Files(self.definition)
        self._display = Display(verbose)
        self._log = Log(self._display.say if verbose else None)
        self._on_failed_snapshot = on_failed_snapshot
        self._asked: str | None = None
        self._goes_on = False
        self._debug: Debug | None = None
        if self.definition.snapshot:
            self._files.require_writable()
        self._log("parameters", f"Initializing solver from parameters: \n{self.definition.text}")
        if not self.definition.base_lr:
            where = self.definition.place("base_lr")
            what = f"{where}: base_lr is 0 or not given: no parameter will be trained"
            self._log("parameters", what, "W")
        for name in self.definition.idle:
            self._log("parameters", f"{name} chooses how Caffe computes; it does nothing here")
        records = Records(output)
        for note in filter(None, (*current_runtime().notes, records.note)):
            self._log("parameters", note)
        self._report = Report(self.definition, self._log, records)
        self._nets = Nets(
            self.definition,
            self._files,
            self._log,
            level=level,
            stages=stages,
            feed=feed,
            test_feeds=test_feeds,
            skip_bad=skip_bad,
        )
        self._train = self._nets.train
        try:
            self._step = Step(self.definition, self._train, self._devices)
            if self.definition.debug_info:
                self._debug = Debug(self._train, self._step, self._log)
            self._keeper = Keeper(
                self.definition, self._files, self._nets, self._step, self._report, self._log
            )
            if snapshot is not None:
                self.restore(snapshot, data=not data_from_start)
            else:
                self._begin(weights)
        except BaseException:
            self.close()
            raise

    def _begin(self, weights: str | Path | Sequence[str | Path] | None) -> None:
        if weights is None:
            self._nets.copy([self._files.net(name) for name in self.definition.weights])
        else:
            self._nets.copy([weights] if isinstance(weights, str | Path) else weights)

    # What it does

    def step(self, count: int = 1) -> float:
        """Make updates, with the tests, lines and snapshots that fall between them.

        Args:
            count: how many.

        Returns:
            The mean of the last `average_loss` losses.

        Raises:
            CaffeError: data cannot be read, a loss, a gradient or a parameter of a snapshot is no
                number, or a snapshot cannot be written.
            TypeError: `count` is no whole number.
            ValueError: it is less than 0.
        """
        count = whole("count", count, 0)
        if not self._goes_on:
            self._report.begin(self.iteration)
        self._goes_on = False
        self._asked = None
        self._run(self.iteration + count)
        return self.loss

    def solve(self) -> None:
        """Train up to `max_iter`, as `caffe train` does; it goes on after `step` or `restore`.

        Raises:
            CaffeError: see `step`.
        """
        solver = self.definition
        if solver.snapshot_after_train:
            self._files.require_writable()
        self._log("start", "Starting Optimization")
        self._log("solving", f"Solving {self._train.name}")
        self._log("policy", f"Learning Rate Policy: {solver.lr_policy}")
        self.step(max(solver.max_iter - self.iteration, 0))
        now = self.iteration
        if solver.snapshot_after_train and not is_due(now, solver.snapshot):
            self._keeper.write_in_run(on_failed=self._on_failed_snapshot)
        if self._asked == "stop":
            self._tell_of_losses()
            self._log("stopped", "Optimization stopped early.")
            return
        if is_due(now, solver.display):
            loss, _ = self._train.forward(self._train.batch())
            self._report.smooth(keras.ops.convert_to_numpy(loss), now)
            self._report.last(now)
        if is_due(now, solver.test_interval):
            self._test()
        self._tell_of_losses()
        self._log("done", "Optimization Done.")
        self._log("end", "Optimization Done.")

    def _tell_of_losses(self) -> None:
        """Say at the end of a run what it lacks: records, snapshots."""
        if self.skipped:
            self._log("forward", told_of_skipped(self.skipped), "W")
        self._keeper.tell_of_failed()

    def _run(self, end: int) -> None:
        self._train.params.keep_in_step()
        every = self.definition.snapshot
        self._report.start_clock(self.iteration)
        with self._display.counting(end, "iterations", self.iteration) as advance:
            while self.iteration < end and self._asked != "stop":
                before = self.iteration
                self._iterate()
                if self._asked == "stop" and self.iteration == before:
                    break  # in a test, before the update
                advance(description=f"loss {self.loss:.4f}")
                if is_due(self.iteration, every) or self._asked == "snapshot":
                    self._keeper.write_in_run(on_failed=self._on_failed_snapshot)
                    self._asked = None if self._asked == "snapshot" else self._asked

    def _iterate(self) -> None:
        solver, now = self.definition, self.iteration
        if is_due(now, solver.test_interval) and (now > 0 or solver.test_initialization):
            self._test()
            if self._asked == "stop":
                return
        rate = self.learning_rate if is_due(now, solver.display) else None
        batches = [self._train.batch() for _ in range(solver.iter_size * self._devices.count)]
        debug = self._debug if rate is not None else None
        if debug is not None:
            debug.passes(batches)
        found = self._step(batches)
        require_finite(self._train, found, batches, now, self._keeper.last)
        total = sum(found.losses, np.float32(0))
        self._report.smooth(total / np.float32(len(batches)), now)
        self._report.iteration(self._train, found, now, rate)
        if debug is not None:
            debug.update()

    def test(self) -> list[Scores]:
        """Score every test net on its next `test_iter` batches, with the weights of now.

        After `request("stop")` the nets that are not through are left out.

        Raises:
            CaffeError: data cannot be read, or a layer has other shapes than in the trained net.
        """
        self._asked = None
        return self._test()

    def _test(self) -> list[Scores]:
        counts = self.definition.test_iter
        return tested(
            self._nets, counts, self.iteration, self._report, self._log, self._goes_on_testing
        )

    def _goes_on_testing(self) -> bool:
        """Whether no stop was asked for; a snapshot that was is written at once, as in Caffe."""
        if self._asked == "snapshot":
            self._asked = None
            self._keeper.write_in_run(on_failed=self._on_failed_snapshot)
        return self._asked != "stop"

    def request(self, what: str) -> None:
        """Ask a run, from a signal's handler or another thread, to stop or to make a snapshot.

        It is for the run that is under way; what is asked before one begins is not kept.

        Args:
            what: `"stop"`, after the update or the batch of a test that is under way, or
                `"snapshot"`.

        Raises:
            ValueError: it is something else.
        """
        if what not in ("stop", "snapshot"):
            raise ValueError(f"`what` must be 'stop' or 'snapshot'. Received: {what!r}")
        self._asked = what

    # Its files

    def snapshot(self) -> Path:
        """Write a snapshot: weights and state, each whole or not at all.

        Returns:
            The path of the state.

        Raises:
            CaffeError: a file cannot be written, or a parameter is no number.
        """
        return self._keeper.write()

    def restore(self, snapshot: str | Path, *, data: bool = True) -> None:
        """Go on from a snapshot, which Caffe or this class wrote: weights, history, iteration.

        Args:
            snapshot: the `.solverstate`.
            data: whether data go on with the record behind it, where the place is known; else
                they begin at the first one, as Caffe does.

        Raises:
            CaffeError: a file is damaged or missing, or that of another net or type of solver;
                then nothing has changed.
        """
        self._goes_on = self._keeper.restore(Path(snapshot), data)
