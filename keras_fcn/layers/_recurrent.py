"""Base class of Caffe's recurrent layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._base import CaffeLayer
from keras_fcn.layers._labels import vectors

Shape = tuple[int | None, ...]


class Recurrent(CaffeLayer):
    """Inputs and their weights, states, the loop over time. See `keras_fcn.layers.RNN`."""

    gates = 1
    """Numbers that drive each unit."""
    states: tuple[str, ...] = ("hidden",)
    """State that is carried from step to step."""

    def __init__(
        self,
        units: int,
        expose_hidden: bool = False,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.expose_hidden = expose_hidden
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self._kept: list[Any] = []

    def build(self, input_shape: Sequence[Shape]) -> None:
        """Make the weights and, where the number of streams is known, the states."""
        (_, *features, streams), _, *others = input_shape
        static = others[: len(others) - self.expose_hidden * len(self.states)]
        driven = self.gates * self.units
        self.kernel = self._kernel("kernel", features, driven)
        self.bias = self._bias("bias", driven)
        self.static_kernel = (
            self._kernel("static_kernel", static[0][1:], driven) if static else None
        )
        self.recurrent_kernel = self._kernel("recurrent_kernel", (self.units,), driven)
        if not self.expose_hidden:
            self._keep(streams)

    def _keep(self, streams: int | None) -> None:
        """Make the states that are kept, where the number of streams is known."""
        if streams is not None:
            self._kept = [
                self.add_weight(
                    name=name,
                    shape=(streams, self.units),
                    initializer="zeros",
                    trainable=False,
                    autocast=False,
                )
                for name in self.states
            ]

    def _kernel(self, name: str, inputs: Sequence[int | None], outputs: int) -> Any:
        sizes = [size for size in inputs if size is not None]
        if len(sizes) < len(inputs):
            raise ValueError(f"the sizes of a step must be known. Received: {tuple(inputs)}")
        shape = (math.prod(sizes), outputs)
        return self.add_weight(name=name, shape=shape, initializer=self.kernel_initializer)

    def _bias(self, name: str, outputs: int) -> Any:
        return self.add_weight(name=name, shape=(outputs,), initializer=self.bias_initializer)

    @property
    def weights(self) -> list[Any]:
        """The parameters; the states are among the `variables` only, as seeds are."""
        kept = set(map(id, self._kept))
        return [weight for weight in super().weights if id(weight) not in kept]

    def reset_state(self) -> None:
        """Let the next call start from zero."""
        for state in self._kept:
            state.assign(ops.zeros_like(state))

    def call(self, inputs: Sequence[Any]) -> Any:
        """Run over all time steps."""
        x, cont, *others = inputs
        exposed = [others.pop() for _ in self.states][::-1] if self.expose_hidden else None
        steps, streams = ops.shape(x)[0], ops.shape(x)[-1]
        x = ops.reshape(ops.moveaxis(x, -1, 1), (steps, streams, self.kernel.shape[0]))
        drive = ops.matmul(x, self.kernel) + self.bias
        if others:
            drive += ops.matmul(vectors(others[0]), self.static_kernel)
        if exposed is not None:
            before = [ops.stop_gradient(ops.transpose(state[0])) for state in exposed]
        else:
            before = self._before(streams, drive.dtype)
        after, every = self._run(drive, cont, before, keep=exposed is None)
        top = ops.transpose(self.top(every[0]), (0, 2, 1))
        if exposed is None:
            return top
        return (top, *(ops.stop_gradient(ops.transpose(state)[None]) for state in after))

    def _keeps(self, streams: Any) -> bool:
        return bool(self._kept) and self._kept[0].shape[0] == streams

    def _before(self, streams: Any, dtype: Any) -> list[Any]:
        """The states that were kept, else zeros."""
        if self._keeps(streams):
            return [ops.cast(state, dtype) for state in self._kept]
        return [ops.zeros((streams, self.units), dtype) for _ in self.states]

    def _run(
        self, drive: Any, cont: Any, before: Sequence[Any], keep: bool = False
    ) -> tuple[Any, Any]:
        """The states after the last step, and those after every step."""
        # One tensor: for two ops.scan must know the number of steps when a graph is built.
        drive = ops.concatenate([drive, ops.stop_gradient(cont)[:, :, None]], axis=-1)
        after, every = ops.scan(self._step, before, drive)
        kept = self._kept if keep and self._keeps(before[0].shape[0]) else ()
        for state, value in zip(kept, after, strict=False):
            state.assign(value)
        return after, every

    def _step(self, states: Sequence[Any], inputs: Any) -> tuple[Any, Any]:
        drive, cont = inputs[:, :-1], inputs[:, -1:]
        drive += ops.matmul(cont * states[0], self.recurrent_kernel)
        states = self.next_states(states, drive, cont)
        return states, states

    def next_states(self, states: Sequence[Any], drive: Any, cont: Any) -> list[Any]:
        """The states after a step, the hidden one first."""
        raise NotImplementedError

    def top(self, hidden: Any) -> Any:
        return hidden

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Any:
        """(T, units, N), and (1, units, N) for each exposed state."""
        steps, *_, streams = input_shape[0]
        top = (steps, self.units, streams)
        if not self.expose_hidden:
            return top
        return [top, *((1, self.units, streams) for _ in self.states)]
