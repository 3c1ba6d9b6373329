"""Resample, Resize and Accum: maps in another size, by three rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from convert.errors import NetworkError
from convert.layers import flow
from keras_fcn.layers._axes import channels_first_shape, channels_last_shape
from keras_fcn.layers._interpolation import positions, resampled, round_half_away, tents

Shape = tuple[int | None, ...]


class Rescaled(keras.layers.Layer):
    """A layer whose output's shape is the converter's rule."""

    def _rule(self) -> Any:
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The converter's shape; unknown sizes stay None."""
        several = isinstance(input_shape[0], list | tuple)
        bottoms = tuple(map(channels_first_shape, input_shape if several else [input_shape]))
        try:
            return channels_last_shape(self._rule().top_shapes(bottoms, 1)[0])
        except NetworkError as error:
            raise ValueError(f"{error}. Received: input_shape={input_shape}") from error


@keras.saving.register_keras_serializable(package="keras_fcn")
class Resample(Rescaled):
    """The map in another size, with FlowNet's filters.

    An output cell lies where its middle does, except that each axis takes half the cell
    of the other one, as Caffe's code does: it matters where both are not scaled alike.
    ``linear`` and ``cubic`` filters are normalized at the border; with ``antialias`` they
    are as wide as the cells of the smaller map, when either axis shrinks.

    Caffe gives no gradient; ours is that of the sum.

    Source: ``resample_layer.cu`` of lmb-freiburg/flownet2.

    Args:
        size: height and width of the output; left out where a second input gives them.
        method: ``"nearest"``, ``"linear"`` or ``"cubic"``.
        antialias: widen the filters when the map shrinks.
        **kwargs: arguments of ``keras.layers.Layer``.

    Input shape:
        (N, H, W, C), or a list of that and a map of the wanted size.

    Output shape:
        (N, H', W', C).
    """

    def __init__(
        self,
        size: Sequence[int] | None = None,
        method: str = "linear",
        antialias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if method not in _FILTERS:
            raise ValueError(f"method must be one of {sorted(_FILTERS)}. Received: {method!r}")
        self.size = None if size is None else tuple(size)
        self.method = method
        self.antialias = antialias

    def _rule(self) -> flow.Resample:
        height, width = self.size or (0, 0)
        return flow.Resample(height=height, width=width, type=self.method.upper())

    def call(self, inputs: Any) -> Any:
        """Resample (N, H, W, C)."""
        x, *like = inputs if isinstance(inputs, list | tuple) else [inputs]
        before = ops.shape(x)[1:3]
        after = ops.shape(like[0])[1:3] if like else self.size or ()
        fy, fx = (
            ops.cast(old, "float32") / ops.cast(new, "float32")
            for old, new in zip(before, after, strict=True)
        )
        widen = (fx > 1.0) | (fy > 1.0) if self.antialias else False
        rows, columns = (
            _FILTERS[self.method](
                positions(new) * own + other / 2.0 - 0.5,
                old,
                ops.where(widen, 1.0 / own, 1.0),
            )
            for old, new, own, other in zip(before, after, (fy, fx), (fx, fy), strict=True)
        )
        return resampled(x, rows, columns)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "size": self.size,
            "method": self.method,
            "antialias": self.antialias,
        }


def _nearest(centers: Any, size: Any, scale: Any) -> Any:
    """Weight 1 for the cell next to each center; centers outside count as the border."""
    cells = ops.clip(round_half_away(centers), 0.0, ops.cast(size, "float32") - 1.0)
    return tents(cells, size)


def _linear(centers: Any, size: Any, scale: Any) -> Any:
    offsets = scale * (ops.expand_dims(centers, -1) - positions(size))
    return _normalized(ops.maximum(1.0 - ops.abs(offsets), 0.0))


def _cubic(centers: Any, size: Any, scale: Any) -> Any:
    """Keys' cubic convolution with a = -1/2."""
    x = ops.abs(scale * (ops.expand_dims(centers, -1) - positions(size)))
    inner = x * x * (1.5 * x - 2.5) + 1.0
    outer = x * (x * (2.5 - 0.5 * x) - 4.0) + 2.0
    return _normalized(ops.where(x <= 1.0, inner, ops.where(x < 2.0, outer, 0.0)))


def _normalized(weights: Any) -> Any:
    """Weights that sum up to 1; 0 where no cell is reached."""
    total = ops.sum(weights, axis=-1, keepdims=True)
    empty = ops.equal(total, 0.0)
    return ops.where(empty, 0.0, weights / ops.where(empty, 1.0, total))


_FILTERS = {"nearest": _nearest, "linear": _linear, "cubic": _cubic}


@keras.saving.register_keras_serializable(package="keras_fcn")
class Resize(Rescaled):
    """Bilinear resizing where cell i looks at place i * H / H'.

    A neighbour beyond the last row or column counts as 0, so that an enlarged map grows
    dark there, as in Caffe.

    Source: ``resize_layer.cpp`` and ``util_img.cpp`` of happynear/caffe-windows.

    Args:
        size: height and width of the output.
        scale: factors for height and width instead; the product is rounded down.
        **kwargs: arguments of ``keras.layers.Layer``.

    Input shape:
        (N, H, W, C).

    Output shape:
        (N, H', W', C).
    """

    def __init__(
        self,
        size: Sequence[int] | None = None,
        scale: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (size is None) == (scale is None):
            raise ValueError(f"give either size or scale. Received: size={size}, scale={scale}")
        self.size = None if size is None else tuple(size)
        self.scale = None if scale is None else tuple(scale)

    def _rule(self) -> flow.Resize:
        height, width = self.size or (0, 0)
        by_height, by_width = self.scale or (0.0, 0.0)
        return flow.Resize(
            is_pyramid_test=self.size is None,
            height=height,
            width=width,
            out_height_scale=by_height,
            out_width_scale=by_width,
        )

    def call(self, inputs: Any) -> Any:
        """Resize (N, H, W, C)."""
        before = ops.shape(inputs)[1:3]
        after = self.size or tuple(map(_scaled, before, self.scale or ()))
        rows, columns = (
            tents(positions(new) * (ops.cast(old, "float32") / ops.cast(new, "float32")), old)
            for old, new in zip(before, after, strict=True)
        )
        return resampled(inputs, rows, columns)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "size": self.size, "scale": self.scale}


def _scaled(size: Any, scale: float) -> Any:
    if isinstance(size, int):
        return int(scale * size)
    return ops.cast(ops.cast(size, "float32") * scale, "int32")


@keras.saving.register_keras_serializable(package="keras_fcn")
class Accum(Rescaled):
    """Maps resized to one size, corners on corners, and put side by side.

    Source: ``accum_layer.cpp`` of lmb-freiburg/flownet2.

    Args:
        size: least height and width of the output; both must be larger than the largest
            of the inputs', or neither counts.
        size_divisible_by: ask for the next multiple of this instead; 0: for none.
        have_reference: the last input only gives the size.
        **kwargs: arguments of ``keras.layers.Layer``.

    Input shape:
        A list of (N, H, W, C) in different sizes.

    Output shape:
        (N, H', W', sum of C).
    """

    def __init__(
        self,
        size: Sequence[int] = (0, 0),
        size_divisible_by: int = 0,
        have_reference: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = tuple(size)
        self.size_divisible_by = size_divisible_by
        self.have_reference = have_reference

    def _rule(self) -> flow.Accum:
        return flow.Accum(
            top_height=self.size[0],
            top_width=self.size[1],
            size_divisible_by=self.size_divisible_by,
            have_reference=self.have_reference,
        )

    def call(self, inputs: Sequence[Any]) -> Any:
        """Resize and concatenate."""
        maps = inputs[: len(inputs) - self.have_reference]
        after = self._top_size([ops.shape(x)[1:3] for x in inputs])
        resized = []
        for x in maps:
            before = ops.shape(x)[1:3]
            rows, columns = (
                tents(_on_corners(new, old), old) for old, new in zip(before, after, strict=True)
            )
            resized.append(resampled(x, rows, columns))
        return ops.concatenate(resized, axis=-1)

    def _top_size(self, sizes: list[Any]) -> Any:
        if all(isinstance(size, int) for pair in sizes for size in pair):
            return self._rule().size(sizes)
        if self.have_reference:
            return sizes[-1]
        largest = [ops.max(ops.stack(axis)) for axis in zip(*sizes, strict=True)]
        step = self.size_divisible_by
        wanted = [-(-size // step) * step for size in largest] if step else list(self.size)
        larger = (wanted[0] > largest[0]) & (wanted[1] > largest[1])
        return [ops.where(larger, *pair) for pair in zip(wanted, largest, strict=True)]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "size": self.size,
            "size_divisible_by": self.size_divisible_by,
            "have_reference": self.have_reference,
        }


def _on_corners(new: Any, old: Any) -> Any:
    """Places of ``new`` cells over ``old`` ones, first on first and last on last."""
    new, last = positions(new), ops.cast(old, "float32") - 1.0
    return new / ops.maximum(ops.max(new), 1.0) * last
