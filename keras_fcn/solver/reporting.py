"""What a solver tells of its iterations: the log, the smoothed loss, tables and TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_fcn.caffe.text.solver import SolverDefinition
from keras_fcn.solver.log import Log, number, output_lines
from keras_fcn.solver.nets import Output, RunNet
from keras_fcn.solver.rates import current_step
from keras_fcn.solver.records import Records
from keras_fcn.solver.scoring import Scores
from keras_fcn.solver.updates import Stepped

__all__ = ["Report", "is_due"]


def is_due(iteration: int, every: int) -> bool:
    """Whether something is due that is done every so many iterations; 0 is never."""
    return every > 0 and iteration % every == 0


class Report:
    """Tells of iterations, in Caffe's lines and numbers.

    Args:
        solver: what it says.
        log: where the lines go.
        records: the tables.

    Attributes:
        smoothed: the mean of the last `average_loss` losses.
    """

    def __init__(self, solver: SolverDefinition, log: Log, records: Records) -> None:
        self._solver = solver
        self._log = log
        self._records = records
        self.smoothed = 0.0
        self._losses: list[float] = []
        self.begin(0)

    def begin(self, iteration: int) -> None:
        """Begin a mean of losses anew, and the clock."""
        self._losses, self.smoothed, self._start = [], 0.0, iteration
        self.start_clock(iteration)

    def start_clock(self, iteration: int) -> None:
        """Begin to measure time at an iteration."""
        self._told, self._since = iteration, time.monotonic()

    def smooth(self, loss: np.float32, iteration: int) -> None:
        """Take a loss into the mean, as Caffe does."""
        size, kept = len(self._losses), self._solver.average_loss
        if size < kept:
            self._losses.append(float(loss))
            self.smoothed = (self.smoothed * size + float(loss)) / (size + 1)
            return
        index = (iteration - self._start) % kept
        self.smoothed += (float(loss) - self._losses[index]) / kept
        self._losses[index] = float(loss)

    def state(self) -> dict[str, Any]:
        """The mean's content, as plain values."""
        return {
            "losses": self._losses,
            "smoothed": self.smoothed,
            "start": self._start,
            "average_loss": self._solver.average_loss,
        }

    def restore(self, state: Mapping[str, Any], iteration: int) -> None:
        """The content that `state` gave; of another `average_loss` the last losses that count.

        Args:
            state: the content.
            iteration: of the next update.
        """
        losses, self.smoothed = list(state["losses"]), float(state["smoothed"])
        self._losses, self._start = losses, int(state["start"])
        kept = self._solver.average_loss
        before = int(state.get("average_loss", kept))
        if before == kept:
            return
        oldest = (iteration - self._start) % before if len(losses) == before else 0
        self._losses = [*losses[oldest:], *losses[:oldest]][-kept:]
        self._start = iteration - len(self._losses)
        self.smoothed = float(np.mean(self._losses)) if self._losses else 0.0

    def iteration(self, net: RunNet, found: Stepped, iteration: int, rate: float | None) -> None:
        """The lines of an iteration: steps of the rate and clipping always.

        Args:
            net: that was trained.
            found: by the step.
            iteration: counted from 0.
            rate: that it used, where the iteration is to be displayed; else None.
        """
        if rate is not None:
            self._show(net, found, iteration, rate)
        solver, step = self._solver, current_step(self._solver, iteration)
        if solver.lr_policy == "multistep" and step != current_step(solver, iteration - 1):
            self._log("step", f"MultiStep Status: Iteration {iteration}, step = {step}")
        if rate is not None:
            self._log("rate", f"Iteration {iteration}, lr = {number(rate)}")
        limit = solver.clip_gradients
        if 0 <= limit < found.norm:
            self._log(
                "clipping",
                f"Gradient clipping: scaling down gradients (L2 norm {number(found.norm)} > "
                f"{number(limit)}) by scale factor {number(limit / found.norm)}",
            )

    def _show(self, net: RunNet, found: Stepped, iteration: int, rate: float) -> None:
        values = [keras.ops.convert_to_numpy(output) for output in found.outputs]
        every = self._solver.display
        seconds = time.monotonic() - self._since
        speed = (iteration - self._told) / (seconds or 1)
        pace = f"{number(speed)} iter/s, {number(seconds)}s/{every} iters"
        self.start_clock(iteration)
        self._log("loss", f"Iteration {iteration} ({pace}), loss = {number(self.smoothed)}")
        for line in output_lines(net.outputs, values, "    Train net output"):
            self._log("train output", line)
        row = {"lr": rate, "loss": self.smoothed, **_columns(net.outputs, values)}
        self._records.write("train", iteration, row)

    def last(self, iteration: int) -> None:
        """The line of the pass behind the last update."""
        self._log("last loss", f"Iteration {iteration}, loss = {number(self.smoothed)}")

    def test(self, net: RunNet, index: int, iteration: int, scores: Scores) -> None:
        """The lines and the row of a test."""
        if self._solver.test_compute_loss:
            self._log("test loss", f"Test loss: {number(scores.loss)}")
        values = [scores.outputs[output.name] for output in net.outputs]
        for line in output_lines(net.outputs, values, "    Test net output"):
            self._log("test output", line)
        row = {"loss_of_all": scores.loss, **_columns(net.outputs, values)}
        self._records.write(f"test_{index}", iteration, row)


def _columns(outputs: Sequence[Output], values: Sequence[Any]) -> dict[str, float]:
    """Output -> its number; `name[0]` and so on where it has several."""
    result = {}
    for output, numbers in zip(outputs, values, strict=True):
        for index, value in enumerate(numbers):
            name = output.name if len(numbers) == 1 else f"{output.name}[{index}]"
            result[f"output/{name}"] = float(value)
    return result
