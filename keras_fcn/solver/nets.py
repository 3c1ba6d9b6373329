"""A net of a solver: its Keras model, its parameters, and what feeds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np

from keras_fcn.builder import Built, built
from keras_fcn.caffe.definition import Fields, NetDefinition
from keras_fcn.caffe.errors import CaffeError, NetworkError
from keras_fcn.caffe.limits import MAX_BYTES
from keras_fcn.caffe.net.memory import check_memory
from keras_fcn.caffe.net.network import Blob, NetState, Network, Reading
from keras_fcn.caffe.text.prototxt import read_net
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.layers._axes import channels_first, channels_first_shape, channels_last
from keras_fcn.pycaffe.building import whole_model
from keras_fcn.pycaffe.params import Params
from keras_fcn.pycaffe.wiring import loss_weights_of, output_names
from keras_fcn.solver.feeding import Feed, Sources
from keras_fcn.training.runtime.choice import current_runtime

__all__ = ["RunNet", "Told", "open_net"]


@dataclass(frozen=True)
class Told:
    """A net as a solver names it.

    Attributes:
        definition: what its prototxt says.
        path: its file, for messages.
        state: phase, level and stages, those of the net itself included.
    """

    definition: NetDefinition
    path: str
    state: NetState

    @classmethod
    def of(
        cls,
        net: str | Path | NetDefinition,
        path: str,
        phase: str,
        more: Fields | None = None,
        level: int = 0,
        stages: Sequence[str] = (),
    ) -> Told:
        """A net of a file, or one that stands in the solver's.

        Args:
            net: the file, or the definition.
            path: the solver's, for messages.
            phase: the phase it is for, where neither it nor `more` says another.
            more: a `NetState` of the solver.
            level: of the state.
            stages: of the state.
        """
        more = more or Fields()
        stages = (*(str(x) for x in more.get("stage", ())), *stages)
        state = NetState(
            str(more.get("phase", phase)), more.get("level", level), tuple(filter(None, stages))
        )
        if not isinstance(net, NetDefinition):
            path, net = str(net), read_net(net, state.keeps).definition
        if "phase" not in more and net.phase is not None:
            state = replace(state, phase=net.phase)
        if "level" not in more and net.level:
            state = replace(state, level=net.level)
        return cls(net, path, state)


@dataclass(frozen=True)
class Output:
    """An output of a net, as Caffe lists them.

    Attributes:
        name: the blob's.
        weight: of it in the objective; 0 where it is no loss.
    """

    name: str
    weight: float


class RunNet:
    """A net that runs: in a phase, on what its data layers or the caller feed it with.

    Args:
        made: the network, built.
        sources: its data layers' batches.
    """

    def __init__(self, made: Built, sources: Sources) -> None:
        self.network: Network = made.network
        self.model: CaffeFunctional = made.model
        self.whole = whole_model(made)
        self.sources = sources
        self.params = Params()
        self.params.bind(self.network, {layer.name: layer for layer in self.whole.layers})
        tops = [
            (layer, top, weight)
            for layer in self.network.layers
            for top, weight in zip(layer.tops, loss_weights_of(layer), strict=True)
        ]
        weights = {top.name: weight for _, top, weight in tops}
        self.outputs = [Output(x, weights.get(x, 0.0)) for x in output_names(self.network)]
        self._losses = [weight for *_, weight in tops if weight]
        wanted = [made.tensors[top.key] for _, top, weight in tops if weight]
        wanted += [made.tensors[self.network.blobs[x.name].key] for x in self.outputs]
        wanted += [made.tensors[key] for key in _dead_ends(self.network)]
        self.training = self.network.state.phase == "TRAIN"
        self._run = keras.Model(made.model.inputs, wanted or made.model.outputs)
        self.made = made
        self.runtime = current_runtime()
        if self.runtime.replicas > 1:
            raise ValueError(
                f"a net is made outside of a strategy's scope. Received: one of "
                f"{self.runtime.replicas} devices; give it to the solver as strategy= instead"
            )

    @cached_property
    def forward(self) -> Callable[[Sequence[Any]], tuple[Any, list[Any]]]:
        """`pass_over`, compiled."""
        return self.runtime.compiled(self.pass_over, self.whole.variables)

    @cached_property
    def gradients(self) -> Callable[[Sequence[Any]], tuple[Any, Any]]:
        """A pass forward and backward, compiled: the loss, and its gradients."""
        return self.runtime.compiled(self._backward, self.whole.variables)

    @property
    def name(self) -> str:
        """The network's name."""
        return self.network.name

    def batch(self) -> tuple[Any, ...]:
        """What comes next from the data layers, a tensor an input, in Caffe's axis order."""
        arrays = self.sources.next()
        if not self.network.inputs:
            return (keras.ops.zeros(1),)
        pairs = zip(self.network.inputs, self.model.inputs, strict=True)
        convert = keras.ops.convert_to_tensor
        return tuple(convert(self._checked(arrays, *pair)) for pair in pairs)

    def _checked(self, arrays: Mapping[str, Any], blob: Blob, tensor: Any) -> Any:
        """The array of an input, as Keras can take it."""
        if blob.name not in arrays:
            raise CaffeError(
                f"{self.network.path}: a batch has no array for input {blob.name!r}. Received: "
                f"arrays for {', '.join(map(repr, arrays)) or 'nothing'}"
            )
        array = np.asarray(arrays[blob.name], np.float32)
        wanted = channels_first_shape(tensor.shape)
        sizes = zip(wanted[1:], array.shape[1:], strict=False)
        if len(wanted) != array.ndim or any(a not in (None, b) for a, b in sizes):
            free = ", ".join("any" if size is None else str(size) for size in wanted)
            raise CaffeError(
                f"{self.network.path}: input {blob.name!r} takes arrays of shape ({free}) in "
                f"Caffe's order. Received: {array.shape}"
            )
        return array

    def zeros(self) -> dict[str, Any]:
        """Input -> zeros of the shape that its layer declares, sizes that are open being 1."""
        return {
            blob.name: np.zeros([size or 1 for size in blob.shape or ()], np.float32)
            for blob in self.network.inputs
        }

    def pass_over(self, inputs: Sequence[Any]) -> tuple[Any, list[Any]]:
        """Loss and outputs of a batch, each output flat in Caffe's order; for a graph."""
        found = self._run([channels_last(x) for x in inputs], training=self.training)
        found = list(found) if isinstance(found, list | tuple) else [found]
        count = len(self._losses)
        loss = keras.ops.zeros(())
        for weight, top in zip(self._losses, found, strict=False):
            loss += weight * keras.ops.sum(top)
        shown = found[count : count + len(self.outputs)]
        return loss, [keras.ops.reshape(channels_first(x), [-1]) for x in shown]

    def _backward(self, inputs: Sequence[Any]) -> tuple[Any, Any]:
        loss, _, found = self.runtime.differentiated(
            lambda: self.pass_over(inputs), self.whole.trainable_variables, self.whole.variables
        )
        return loss, found

    def contents(self, batch: Sequence[Any]) -> dict[tuple[str, int], Any]:
        """Key of each version of each blob -> its array after a pass, in Keras' axis order.

        Statistics, and random generators, are as if the pass had not been.
        """
        inputs = [channels_last(x) for x in batch]
        keys = [top.key for layer in self.network.layers for top in layer.tops]
        model = keras.Model(self.made.model.inputs, [self.made.tensors[key] for key in keys])
        with self.state_kept():
            found = model(inputs, training=self.training)
        found = list(found) if isinstance(found, list | tuple) else [found]
        return dict(zip(keys, map(keras.ops.convert_to_numpy, found), strict=True))

    @contextmanager
    def state_kept(self) -> Iterator[None]:
        """Passes in here leave statistics and random generators as they were."""
        kept = [(x, keras.ops.copy(x.value)) for x in self.whole.variables if not x.trainable]
        try:
            yield
        finally:
            for variable, value in kept:
                variable.assign(value)

    def require_losses(self) -> None:
        """Refuse a net that has nothing to minimise.

        Raises:
            NetworkError: no top has a loss weight.
        """
        if not self._losses:
            raise NetworkError(
                f"{self.network.path}: no layer of phase {self.network.state.phase} is a loss, so "
                "there is nothing to train"
            )

    def close(self) -> None:
        """Stop what feeds it."""
        self.sources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _dead_ends(network: Network) -> list[tuple[str, int]]:
    """Keys of blobs that are no outputs, but that Caffe computes: what leads there has a state."""
    inputs = {blob.key for layer in network.layers if layer.is_source for blob in layer.tops}
    ends = [x for layer in network.layers if layer.type == "Silence" for x in layer.bottoms]
    return [x.key for x in (*ends, *network.unnamed) if x.key not in inputs]


def open_net(
    told: Told, base: Path, feed: Feed | None, seed: int | None = None, skip_bad: bool = False
) -> RunNet:
    """Build a net, and open what feeds it.

    Args:
        told: the net.
        base: the folder that relative paths in it begin at.
        feed: batches for inputs that no data layer reads files for; None: there are none.
        seed: of what data layers draw.
        skip_bad: whether records that cannot be read are left out.

    Raises:
        CaffeError: the net is wrong, or its data cannot be read.
    """
    sources = Sources.open(told.definition, told.state, told.path, base, feed, seed, skip_bad)
    try:
        reading = Reading(told.state, known=sources.shapes)
        network = Network.of(told.definition, reading, path=told.path)
        check_memory(network, MAX_BYTES)
        sources.require(network)
        return RunNet(built(network), sources)
    except BaseException:
        sources.close()
        raise
