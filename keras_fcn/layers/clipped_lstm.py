"""The Lstm layer of caffe-lstm and of CTPN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._axes import channels_first, channels_first_shape
from keras_fcn.layers._gradients import own_gradient
from keras_fcn.layers._recurrent import Shape
from keras_fcn.layers.recurrent import LSTM


@keras.saving.register_keras_serializable(package="keras_fcn")
class ClippedLSTM(LSTM):
    """A long short-term memory over N independent streams of T steps, its gradients cut.

    A step is that of `LSTM`. Without a second input each call starts from zero. With
    one, which is 1 where a sequence goes on and 0 where one begins, the state is kept from
    call to call as that of `RNN` is.

    The gradient that comes to a gate, before its sigmoid or tanh, is cut at the threshold.
    Otherwise gradients are the true ones; the forks add to that of the recurrent kernel what
    comes over the begin of a sequence. Their code for CPUs feeds every stream from the first
    one's state; here, as in their code for GPUs, each has its own.

    Sources: `lstm_layer.cu` of github.com/junhyukoh/caffe-lstm and of
    github.com/tianzhi0549/CTPN.

    Args:
        units: number of units.
        clipping_threshold: largest gradient that comes to a gate; 0: any.
        streams: how many streams share the first axis with the steps; None: they have an
            axis of their own.
        kernel_initializer: of both matrices.
        bias_initializer: of the bias.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        [x], or [x, goes_on]. x is (T, ..., N), Caffe's (T, N, ...) with the second axis last,
        or with `streams` (T * N, ...), channels-last; goes_on has T * N numbers.

    Output shape:
        (T, units, N), or with `streams` (T * N, units).

    Raises:
        ValueError: unknown sizes of a step.
    """

    def __init__(
        self,
        units: int,
        clipping_threshold: float = 0.0,
        streams: int | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            **kwargs,
        )
        self.clipping_threshold = clipping_threshold
        self.streams = streams

    def build(self, input_shape: Sequence[Shape]) -> None:
        """Make the weights and, where it is kept and the number of streams known, the state."""
        x = channels_first_shape(input_shape[0])
        streams, features = (x[1], x[2:]) if self.streams is None else (self.streams, x[1:])
        driven = self.gates * self.units
        self.kernel = self._kernel("kernel", features, driven)
        self.recurrent_kernel = self._kernel("recurrent_kernel", (self.units,), driven)
        self.bias = self._bias("bias", driven)
        if len(input_shape) > 1:
            self._keep(streams)

    def call(self, inputs: Sequence[Any]) -> Any:
        """Run over all time steps."""
        x, *goes_on = inputs
        x = channels_first(x)
        streams = ops.shape(x)[1] if self.streams is None else self.streams
        # The steps are written as -1 where the streams are fixed, and the other way round.
        steps = ops.shape(x)[0] if self.streams is None else -1
        x = ops.reshape(x, (steps, streams, self.kernel.shape[0]))
        drive = ops.matmul(x, self.kernel) + self.bias
        if goes_on:
            cont = ops.reshape(ops.cast(goes_on[0], drive.dtype), ops.shape(drive)[:2])
            every = self._run(drive, cont, self._before(streams, drive.dtype), keep=True)[1]
        else:
            start = [ops.zeros((streams, self.units), drive.dtype) for _ in self.states]
            every = self._run(drive, ops.ones_like(drive[..., 0]), start)[1]
        if self.streams is None:
            return ops.transpose(every[0], (0, 2, 1))
        return ops.reshape(every[0], (-1, self.units))

    def next_states(self, states: Sequence[Any], drive: Any, cont: Any) -> list[Any]:
        """The hidden state and the cells."""
        if self.clipping_threshold > 0:
            drive = _with_cut_gradient(drive, self.clipping_threshold)
        return super().next_states(states, drive, cont)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Any:
        """(T, units, N), or (T * N, units)."""
        steps, *_, streams = input_shape[0]
        return (steps, self.units, streams) if self.streams is None else (steps, self.units)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        del config["expose_hidden"]
        return {
            **config,
            "clipping_threshold": self.clipping_threshold,
            "streams": self.streams,
        }


def _with_cut_gradient(x: Any, limit: float) -> Any:
    @own_gradient
    def unchanged(x: Any) -> Any:
        return x, lambda upstream: ops.clip(upstream, -limit, limit)

    return unchanged(x)
