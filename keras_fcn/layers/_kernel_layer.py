"""Base class of Convolution and Deconvolution: a kernel for any number of inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.layers._axes import channels_first_shape
from keras_fcn.layers._windowed import WindowedLayer


class KernelLayer(WindowedLayer):
    """A kernel and a bias, shared by all inputs."""

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
        axis: int = 1,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        may_be_empty: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(kernel_size, strides, padding, dilation_rate, axis, **kwargs)
        self.filters = filters
        self.groups = groups
        self.use_bias = use_bias
        self.may_be_empty = may_be_empty
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        if groups < 1 or filters < 1 or filters % groups:
            raise ValueError(
                "filters must be a positive multiple of groups. "
                f"Received: filters={filters}, groups={groups}"
            )

    @staticmethod
    def size_rule(
        size: int | None, kernel: int, stride: int, pad: int, dilation: int
    ) -> int | None:
        """Size of the output along an axis."""
        raise NotImplementedError

    def _kernel_channels(self, channels: int) -> tuple[int, int]:
        """The last two sizes of the kernel."""
        raise NotImplementedError

    def _images(self, x: Any) -> Any:
        """The output of images (N, ..., C), without the bias."""
        raise NotImplementedError

    def build(self, input_shape: Any) -> None:
        """Make kernel and bias; the channels must be known."""
        first = input_shape[0] if isinstance(input_shape[0], list | tuple) else input_shape
        shape = channels_first_shape(first)
        axis = self._channel_axis(len(shape))
        channels, windows = shape[axis], self._spatial(len(shape) - axis - 1)
        if channels is None or channels % self.groups or len(windows) > 3:
            raise ValueError(
                "the channels must be known and a multiple of groups, with 0 to 3 spatial axes "
                f"behind them. Received: input_shape={first}, axis={self.axis}, "
                f"groups={self.groups}"
            )
        self._channels = channels
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*(axis.length for axis in windows), *self._kernel_channels(channels)),
            initializer=self.kernel_initializer,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.filters,), initializer=self.bias_initializer
            )

    def call(self, inputs: Any) -> Any:
        """The output of one input, or a list of outputs for a list of inputs."""
        if isinstance(inputs, list | tuple):
            return [self.call(x) for x in inputs]
        return self._over_images(inputs, self._with_bias, self._channels)

    def _with_bias(self, x: Any) -> Any:
        outputs = self._images(x)
        return outputs if self.bias is None else outputs + self.bias

    def _by_groups(self, function: Callable[[Any, Any], Any], x: Any, kernel: Any) -> Any:
        """Outputs of all groups, side by side; the kernel's last axis goes with the groups."""
        if self.groups == 1:
            return function(x, kernel)
        parts = (ops.split(tensor, self.groups, axis=-1) for tensor in (x, kernel))
        return ops.concatenate([function(*part) for part in zip(*parts, strict=True)], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape for that of one input, or a list of shapes.

        Raises:
            ValueError: nothing would be left.
        """
        if isinstance(input_shape[0], list | tuple):
            return [self.compute_output_shape(shape) for shape in input_shape]
        return self._top_shape(input_shape, self.filters, self.size_rule)
