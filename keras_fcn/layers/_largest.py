"""The largest elements, in an order that is the same on all backends."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def largest(x: Any, count: int) -> tuple[Any, Any]:
    """Values and places along the last axis, largest first; of equal ones the first.

    PyTorch's `topk` gives equal ones in any order.
    """
    if keras.backend.backend() != "torch":
        values, places = ops.top_k(x, count)
        return values, places
    if count == 1:
        places = ops.argmax(x, axis=-1, keepdims=True)
    else:
        places = ops.argsort(-x, axis=-1)[..., :count]
    return ops.take_along_axis(x, places, axis=-1), places
