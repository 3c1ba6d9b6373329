"""What a solver shows of itself."""

from __future__ import annotations

from typing import Self

from keras_fcn.core.model import CaffeFunctional
from keras_fcn.datasets.data_layers import Source
from keras_fcn.pycaffe.params import Params
from keras_fcn.solver.keeping import Keeper
from keras_fcn.solver.nets import RunNet
from keras_fcn.solver.opening import Nets
from keras_fcn.solver.reporting import Report
from keras_fcn.solver.updates import Step

__all__ = ["Shown"]


class Shown:
    """Nets, parameters and figures of a solver, which is to be closed."""

    _nets: Nets
    _train: RunNet
    _step: Step
    _report: Report
    _keeper: Keeper

    @property
    def net(self) -> CaffeFunctional:
        """The trainable Keras model of the net that is trained."""
        self._train.params.keep_in_step()
        return self._train.model

    @property
    def params(self) -> Params:
        """Caffe layer name -> its parameter blobs, in Caffe's layout; writing to them sets them."""
        return self._train.params

    @property
    def test_nets(self) -> list[CaffeFunctional]:
        """The Keras models of the test nets; their weights are those of the last test."""
        return [net.model for net in self._nets.tests]

    @property
    def data_layers(self) -> dict[str, Source]:
        """Data layer -> what reads it, in the net that is trained.

        That of a MemoryData layer takes arrays: `solver.data_layers["data"].feed(data, labels)`.
        """
        return self._train.sources.by_layer

    @property
    def test_data_layers(self) -> list[dict[str, Source]]:
        """The same for each test net."""
        return [net.sources.by_layer for net in self._nets.tests]

    @property
    def iteration(self) -> int:
        """Updates made."""
        return self._step.iteration

    @property
    def loss(self) -> float:
        """The last `average_loss` losses' mean, which Caffe displays."""
        return self._report.smoothed

    @property
    def learning_rate(self) -> float:
        """The rate of the next update."""
        return self._step.rate

    @property
    def waited(self) -> float:
        """Seconds that training spent waiting for data."""
        return self._train.sources.waited

    @property
    def skipped(self) -> int:
        """Records, of all nets, that could not be read and were left out, each as often."""
        return self._nets.skipped

    @property
    def lacks_snapshot(self) -> bool:
        """Whether the last snapshot that was due could not be written, and the run went on."""
        return self._keeper.behind

    def close(self) -> None:
        """Stop what reads data ahead."""
        self._nets.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
