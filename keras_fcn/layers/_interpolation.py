"""Linear maps along height and width: what resampling and region pooling come down to."""

from __future__ import annotations

from typing import Any

from keras import ops


def positions(count: Any) -> Any:
    """0, 1, ... as float32, for a number known or not when the graph is built."""
    return ops.cast(ops.arange(count), "float32")


def tents(centers: Any, size: Any) -> Any:
    """Weights of bilinear interpolation along an axis.

    Args:
        centers: where to look, any shape; beyond the axis the weights fade to 0.
        size: positions of the axis.

    Returns:
        `centers`' shape and an axis of `size` weights.
    """
    return ops.maximum(1.0 - ops.abs(ops.expand_dims(centers, -1) - positions(size)), 0.0)


def resampled(x: Any, rows: Any, columns: Any) -> Any:
    """Maps (N, H, W, C) as (N, H', W', C) by weights (H', H) and (W', W)."""
    rows, columns = ops.cast(rows, x.dtype), ops.cast(columns, x.dtype)
    return ops.einsum("qw,npwc->npqc", columns, ops.einsum("ph,nhwc->npwc", rows, x))


def round_half_away(x: Any) -> Any:
    """As C's `round`."""
    whole = ops.trunc(x)
    return ops.where(ops.abs(x - whole) >= 0.5, whole + ops.sign(x), whole)


def divided(x: Any, count: int) -> Any:
    """`x / count`, rounded as C does.

    TensorFlow's graphs multiply by the float32 reciprocal instead, and a last digit
    moves the edge of a bin by a whole position.
    """
    return ops.cast(ops.cast(x, "float64") / count, "float32")
