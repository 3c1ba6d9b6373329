"""FlowNet's Resample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_fcn.caffe.layers import flow
from keras_fcn.layers._interpolation import positions, resampled, round_half_away, tents
from keras_fcn.layers._rescaled import Rescaled


@keras.saving.register_keras_serializable(package="keras_fcn")
class Resample(Rescaled):
    """The map in another size, with FlowNet's filters.

    An output position lies where its middle does, except that each axis takes half the position
    of the other one, as Caffe's code does: it matters where both are not scaled alike.
    `linear` and `cubic` filters are normalized at the border; with `antialias` they
    are as wide as the positions of the smaller map, when either axis shrinks.

    Caffe gives no gradient; ours is that of the sum.

    Source: `resample_layer.cu` of lmb-freiburg/flownet2.

    Args:
        size: height and width of the output; left out where a second input gives them.
        method: `"nearest"`, `"linear"` or `"cubic"`.
        antialias: widen the filters when the map shrinks.
        **kwargs: arguments of `keras.layers.Layer`.

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


def _nearest(centers: Any, size: Any, scale: Any) -> Any:
    """Weight 1 for the position next to each center; centers outside count as the border."""
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
    """Weights that sum up to 1; 0 where no position is reached."""
    total = ops.sum(weights, axis=-1, keepdims=True)
    empty = ops.equal(total, 0.0)
    return ops.where(empty, 0.0, weights / ops.where(empty, 1.0, total))


_FILTERS = {"nearest": _nearest, "linear": _linear, "cubic": _cubic}
