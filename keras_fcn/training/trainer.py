"""The loop over epochs, which can stop at any moment and go on."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.words import argument
from keras_fcn.datasets import LabelledImages
from keras_fcn.training import checkpoints
from keras_fcn.training.class_results import Result, result_of
from keras_fcn.training.config import TrainingConfig
from keras_fcn.training.evaluation import Evaluator
from keras_fcn.training.networks import computing_in, copy_variables
from keras_fcn.training.normalization import Normalization
from keras_fcn.training.objective import Objective
from keras_fcn.training.pictures import Board, pictures
from keras_fcn.training.progress import Display
from keras_fcn.training.run_folder import RunFolder
from keras_fcn.training.runtime.interface import Runtime
from keras_fcn.training.solver import Solver
from keras_fcn.training.state import State

__all__ = ["Trainer"]

_RECENT = 5  # epochs that tell how long one takes


@dataclass
class Trainer:
    """Trains until the last epoch, or until it gets no better.

    Attributes:
        model: the network that is evaluated and saved.
        whole: the same with the outputs that are second heads.
        twin: the one that is trained: the whole, or its copy on several devices.
        objective: what is minimised.
        solver: what makes the updates.
        train: the training data.
        val: the validation data.
        config: of the run.
        folder: its files.
        runtime: the backend, and its devices.
        pipeline: the training batches from an update on.
        normalization: what is done about statistics of batches.
        steps_per_epoch: updates of an epoch.
        callbacks: the user's.
        display: the terminal.
    """

    model: keras.Model
    whole: keras.Model
    twin: keras.Model
    objective: Objective
    solver: Solver
    train: LabelledImages
    val: LabelledImages
    config: TrainingConfig
    folder: RunFolder
    runtime: Runtime
    pipeline: Callable[[State], Iterator[tuple[Any, Any]]]
    normalization: Normalization
    steps_per_epoch: int
    callbacks: keras.callbacks.CallbackList
    display: Display
    state: State = field(default_factory=State)

    def __post_init__(self) -> None:
        self._restored = False
        self._step = self.runtime.train_step(self.objective, self.solver, self.objective.model)
        with self.normalization.out_of_sight():
            # Whole pictures may be large, and of sizes of their own.
            batch_size = 1 if self.val.of_pixels else self.config.batch_size
            config = dataclasses.replace(self.config, batch_size=batch_size)
            self._evaluate = Evaluator(self.model, self.val, config, self.runtime)
        board = self.config.tensorboard and self.runtime.is_chief
        self._board = Board(self.folder.tensorboard if board else None)
        self.variables = {
            "network": self.objective.model.variables,
            "solver": self.solver.variables,
        }

    def restore(self) -> None:
        """Goes to where the last checkpoint is, if there is one.

        Raises:
            CaffeError: it does not fit, or not all workers see the same.
        """
        if self.folder.goes_on:
            self._restored = True
            self.state = State(**checkpoints.restore(self.folder.last, self.variables))
            self.train.bad_pairs.update(self.state.bad_pairs)
        steps = self.runtime.total(self.state.step)
        if steps != self.state.step * self.runtime.workers:
            raise CaffeError(
                f"{self.folder.path} must be on storage that all workers share. Received: worker "
                f"{self.runtime.worker} is at update {self.state.step}, others are not"
            )
        if self.state.step:
            done = self.state.stopped or self.state.step >= self._updates
            text = "the run is at its end," if done else "going on"
            self.display.say(f"{text} after update {self.state.step} of {self._updates}")
            self._say_extension()

    def _say_extension(self) -> None:
        before, now = self.folder.epochs, self.config.epochs
        if now == before:
            return
        rate = f"the learning rate goes on at {self.solver.learning_rate:.4g}"
        if self.state.stopped:
            rate = "it was stopped early, and trains no more"
        elif isinstance(self.config.optimizer, str) and self.config.lr_policy == "poly":
            rate = f"poly falls to 0 at the new end, so {rate}"
        self.display.say(f"extended from {before} to {now} epochs: {rate}")

    def run(self) -> State:
        """Trains, and returns where it ended; the best weights are in `checkpoints/best.npz`.

        Raises:
            ValueError: a bad pair.
            CaffeError: the loss is not a number any more, or a file cannot be written.
        """
        self.model.stop_training = False
        self.callbacks.on_train_begin()
        with self.train.naming_bad_pairs():
            self.normalization.begin(fresh=not self._restored)
        batches = self.pipeline(self.state)
        while self.state.step < self._updates and not self.state.stopped:
            self._epoch(batches)
        self.callbacks.on_train_end()
        return self.state

    @property
    def _updates(self) -> int:
        return self.config.epochs * self.steps_per_epoch

    def _epoch(self, batches: Iterator[tuple[Any, Any]]) -> None:
        epoch, done = divmod(self.state.step, self.steps_per_epoch)
        started = time.monotonic()
        self.callbacks.on_epoch_begin(epoch)
        text = f"epoch {epoch + 1}/{self.config.epochs}"
        with (
            computing_in(self.objective.model, self.config.mixed_precision),
            self.train.naming_bad_pairs(),
            self.display.counting(self.steps_per_epoch, text, done) as advance,
        ):
            for index in range(done, self.steps_per_epoch):
                rate = self.solver.learning_rate
                loss = self._update(batches, index, rate)
                advance(description=f"{text}  loss {loss:.4f}")
                if self._is_to_save(index):
                    self._save()
        row: dict[str, Any] = {
            "epoch": epoch + 1,
            "step": self.state.step,
            "learning_rate": rate,
            "loss": self.state.loss_sum / self.steps_per_epoch,
        }
        self.state.loss_sum = 0.0
        self._sync()
        named: Any = ()
        if (epoch + 1) % self.config.validate_every == 0 or epoch + 1 == self.config.epochs:
            with self.normalization.worked_in():
                row |= self._validate(epoch + 1)
                if self.config.tensorboard and self.runtime.is_chief:
                    count, size = self.config.samples, self.config.size
                    named = list(pictures(self.model, self.val, count, size))
        row |= {"skipped": len(self.train.bad_pairs), "seconds": time.monotonic() - started}
        self.state.history.append(row)
        self._board.write(self.state.step, row, named)
        self.callbacks.on_epoch_end(epoch, row)
        self.state.stopped |= bool(self.runtime.total(bool(self.model.stop_training)))
        self._save()
        if self.runtime.is_chief:
            self.folder.write_history(self.state.history)
        self.display.epoch(row, self.config.epochs, self._seconds_left())

    def _is_to_save(self, index: int) -> bool:
        """Whether a checkpoint is due within an epoch.

        After the first update of all one is: whatever fails before leaves no run folder.
        """
        every = self.config.save_every
        due = every is not None and self.state.step % every == 0
        return self.state.step == 1 or (due and index + 1 < self.steps_per_epoch)

    def _update(self, batches: Iterator[tuple[Any, Any]], index: int, rate: float) -> float:
        self.callbacks.on_train_batch_begin(index)
        loss = self._step([next(batches) for _ in range(self.config.iter_size)])
        if not math.isfinite(loss):
            before = self.state.step > 0
            raise CaffeError(
                f"the loss is {loss} at update {self.state.step + 1} with learning rate {rate:g}; "
                f"begin a run in another folder with a lower {argument('learning_rate')}, or with "
                f"{argument('clip_gradients')}. "
                f"Weights from before: {self.folder.last if before else 'none'}"
            )
        self.state.step += 1
        self.state.loss_sum += loss
        self.callbacks.on_train_batch_end(index, {"loss": loss})
        return loss

    def _validate(self, epoch: int) -> dict[str, float]:
        metrics, loss = self._evaluate(self.display)
        row = {"val_loss": loss, **metrics.summary()}
        if self.state.judge(epoch, self.config.monitor, row):
            self.state.best_metrics = metrics.to_dict()
            if self.runtime.is_chief:
                checkpoints.save(self.folder.best, {"network": self.model.variables})
        self.state.stopped = self.state.stale == self.config.patience
        return row

    def _seconds_left(self) -> float:
        """What the epochs to come will take, by the last ones."""
        seconds = [row["seconds"] for row in self.state.history[-_RECENT:]]
        left = self.config.epochs - len(self.state.history)
        return float(sum(seconds)) / len(seconds) * left

    def _sync(self) -> None:
        if self.twin is not self.whole:
            copy_variables(self.twin, self.whole)

    def _save(self) -> None:
        self.state.bad_pairs = dict(self.train.bad_pairs)
        if self.runtime.is_chief:
            self.folder.begin()
            checkpoints.save(self.folder.last, self.variables, dataclasses.asdict(self.state))

    def finish(self) -> Result:
        """Gives the model the best weights, and its figures; the last ones are exported before."""
        if self.runtime.is_chief:
            self.folder.begin()
            with self.normalization.worked_in():
                self.folder.export_last(self.model, self.config.exports)
        checkpoints.restore(self.folder.best, {"network": self.model.variables})
        self.normalization.finish()
        return result_of(self.state.best_metrics)
