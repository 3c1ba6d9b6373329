"""FlowNet's Correlation, and DispNet's along rows only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.caffe.errors import NetworkError
from keras_fcn.caffe.layers import correlation as caffe
from keras_fcn.layers._axes import channels_first_shape, channels_last_shape
from keras_fcn.layers._base import CaffeLayer

Shape = tuple[int | None, ...]

_COMPARE = {"multiply": ops.multiply, "subtract": lambda a, b: ops.abs(a - b)}


@keras.saving.register_keras_serializable(package="keras_fcn")
class Correlation(CaffeLayer):
    """Correlation of each position's surroundings with displaced ones in another feature map.

    A channel of the output belongs to one displacement, row by row from up left to down
    right, and holds the mean over a window and all channels of the products, or of the
    absolute differences. Both maps are padded with zeros.

    Source: `correlation_layer.cu` of lmb-freiburg/flownet2. Its gradient of differences
    compares other positions than the forward pass; ours is the true one.

    Args:
        kernel_size: side of the window, odd.
        max_displacement: farthest displacement in positions, along each axis.
        padding: zeros around the maps.
        strides: positions from one place to the next.
        displacement_strides: positions from one displacement to the next.
        method: `"multiply"` or `"subtract"`.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        [(N, H, W, C), (N, H, W, C)].

    Output shape:
        (N, H', W', D) for D displacements.

    Raises:
        ValueError: arguments that Caffe refuses too, or a map that is too small.
    """

    def __init__(
        self,
        kernel_size: int,
        max_displacement: int,
        padding: int = 0,
        strides: int = 1,
        displacement_strides: int = 1,
        method: str = "multiply",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if method not in _COMPARE:
            raise ValueError(f"method must be one of {sorted(_COMPARE)}. Received: {method!r}")
        self.kernel_size = kernel_size
        self.max_displacement = max_displacement
        self.padding = padding
        self.strides = strides
        self.displacement_strides = displacement_strides
        self.method = method

    def _rule(self) -> caffe.Correlation:
        return caffe.Correlation(**self._fields())

    def _fields(self) -> dict[str, Any]:
        return {
            "kernel_size": self.kernel_size,
            "max_displacement": self.max_displacement,
            "pad": self.padding,
            "stride_1": self.strides,
            "stride_2": self.displacement_strides,
        }

    def call(self, inputs: Sequence[Any]) -> Any:
        """Compare two maps."""
        rule = self._rule()
        height, width = ops.shape(inputs[0])[1:3]
        rules = (rule.vertical, (self.padding, self.max_displacement))
        (pad_y, border_y), (pad_x, border_x) = rules
        rows, columns = (
            size + 2 * (pad - border)
            for size, (pad, border) in zip((height, width), rules, strict=True)
        )
        steps = rule.displacements
        # Looking farther than the padding finds zeros.
        far_y, far_x = (max(abs(step[axis]) for step in steps) for axis in (0, 1))
        more_y, more_x = max(far_y - border_y, 0), max(far_x - border_x, 0)
        first, second = inputs
        first = _padded(first, pad_y, pad_x)[
            :, border_y : border_y + rows, border_x : border_x + columns
        ]
        second = _padded(second, pad_y + more_y, pad_x + more_x)
        compare = _COMPARE[self.method]
        count, channels = ops.shape(first)[0], ops.shape(first)[-1]

        def likeness_at(corner: Any) -> Any:
            """Means over all channels for the displacement that leads to this corner."""
            start = (0, corner[0], corner[1], 0)
            other = ops.slice(second, start, (count, rows, columns, channels))
            return ops.mean(compare(first, other), axis=-1)

        # A loop: FlowNet has 441 displacements, and a graph of all of them takes long to make.
        corners = [(border_y + more_y + down, border_x + more_x + right) for down, right in steps]
        likeness = ops.map(likeness_at, ops.convert_to_tensor(corners, "int32"))
        likeness = ops.moveaxis(likeness, 0, -1)
        if (self.kernel_size, self.strides) == (1, 1):
            return likeness
        return ops.average_pool(
            likeness, self.kernel_size, self.strides, data_format="channels_last"
        )

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        """See the class."""
        bottoms = tuple(map(channels_first_shape, input_shape))
        try:
            return channels_last_shape(self._rule().top_shapes(bottoms, 1)[0])
        except NetworkError as error:
            raise ValueError(f"{error}. Received: input_shape={input_shape}") from error


@keras.saving.register_keras_serializable(package="keras_fcn")
class Correlation1D(Correlation):
    """As `Correlation`, with displacements and padding along rows only.

    Source: `correlation_layer1d.cu` of lmb-freiburg/flownet2. Where it looks past the
    padding it finds what lies there in memory; here these are zeros.

    Args:
        *args: those of `Correlation`.
        single_direction: -1: look left only, from one step farther to one step beside the
            place; 1: right only, from the place on; 0: both.
        **kwargs: those of `Correlation`.
    """

    def __init__(self, *args: Any, single_direction: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.single_direction = single_direction

    def _rule(self) -> caffe.Correlation1D:
        return caffe.Correlation1D(**self._fields(), single_direction=self.single_direction)


def _padded(x: Any, rows: int, columns: int) -> Any:
    return ops.pad(x, [(0, 0), (rows, rows), (columns, columns), (0, 0)])
