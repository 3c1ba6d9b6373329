"""The nets of a solver, opened together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import keras

from keras_fcn.caffe.text.solver import SolverDefinition
from keras_fcn.core.weights import load_caffemodel
from keras_fcn.solver.feeding import Feed
from keras_fcn.solver.files import Files
from keras_fcn.solver.gradients import require_gradients
from keras_fcn.solver.log import Log
from keras_fcn.solver.naming import nets_of
from keras_fcn.solver.nets import RunNet, Told, open_net
from keras_fcn.solver.snapshots import copy_weights

__all__ = ["Nets"]


class Nets:
    """The net that is trained and the test nets, filled by their fillers.

    Args:
        solver: what it says.
        files: where its files lie.
        log: where lines go.
        level: of the state of the net to train.
        stages: of that state.
        feed: batches for the net to train, see `Solver`.
        test_feeds: batches for each test net.
        skip_bad: whether records that cannot be read are left out.

    Raises:
        CaffeError: a net is wrong, or its data cannot be read.
        ValueError: more `test_feeds` than test nets.

    Attributes:
        train: the net that is trained.
        tests: the test nets.
    """

    def __init__(
        self,
        solver: SolverDefinition,
        files: Files,
        log: Log,
        *,
        level: int = 0,
        stages: Sequence[str] = (),
        feed: Feed | None = None,
        test_feeds: Sequence[Feed | None] = (),
        skip_bad: bool = False,
    ) -> None:
        self._files = files
        self._log = log
        self._skip_bad = skip_bad
        self._seed = None if solver.random_seed < 0 else solver.random_seed % 2**32
        if self._seed is not None:
            keras.utils.set_random_seed(self._seed)
        train, tests = nets_of(solver, files, level, stages)
        if len(test_feeds) > len(tests):
            raise ValueError(
                f"`test_feeds` must be one for each of the {len(tests)} test nets. Received: "
                f"{len(test_feeds)}"
            )
        feeds = (*test_feeds, *[None] * len(tests))
        self.every: list[RunNet] = []
        try:
            log("train net", f"Creating training net from net file: {train.path}")
            self._open(train, feed)
            self.train.require_losses()
            for line in require_gradients(self.train.network):
                log("parameters", line, "W")
            for index, (told, own) in enumerate(zip(tests, feeds, strict=False)):
                what = f"Creating test net (#{index}) specified by net file: {told.path}"
                log("test net", what)
                self._open(told, own)
        except BaseException:
            self.close()
            raise
        log("scaffolding", "Solver scaffolding done.")

    @property
    def train(self) -> RunNet:
        return self.every[0]

    @property
    def tests(self) -> list[RunNet]:
        return self.every[1:]

    def _open(self, told: Told, feed: Feed | None) -> None:
        net = open_net(told, self._files.folder, feed, self._seed, self._skip_bad)
        net.sources.tell = partial(self._log, "forward", level="W")
        state = net.network.state
        stages = ", ".join(state.stages) or "none"
        what = f"State of net {net.name!r}: phase {state.phase}, level {state.level}"
        self._log("net state", f"{what}, stages: {stages}")
        self.every.append(net)
        load_caffemodel(net.whole, net.network, None, self._seed)

    def copy(self, weights: Sequence[str | Path]) -> None:
        """Set the layers that weights files have under their names, in all nets.

        Raises:
            WeightsError: a file has no layer of the net that is trained, or blobs of other shapes.
        """
        left = dict.fromkeys(self.train.params)
        if not weights:
            self._log("weights", "Starting from what the fillers give")
        for path in weights:
            self._log("weights", f"Finetuning from {path}")
            for name in copy_weights(path, self.train):
                left.pop(name, None)
            for net in self.tests:
                copy_weights(path, net, required=False)
        if weights and left:
            self._log("weights", f"Filled by their fillers: {', '.join(left)}")

    @property
    def skipped(self) -> int:
        """Records that could not be read and were left out."""
        return sum(net.sources.skipped for net in self.every)

    def close(self) -> None:
        """Stop what reads data ahead."""
        for net in self.every:
            net.close()
