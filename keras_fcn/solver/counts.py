"""Numbers of steps and batches that are asked for."""

from __future__ import annotations

import operator
from typing import Any

from keras_fcn.caffe.words import quoted

__all__ = ["whole"]


def whole(name: str, count: Any, least: int) -> int:
    """A count, as an int.

    Args:
        name: the argument's.
        count: what was given for it.
        least: its lowest value.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is less.
    """
    try:
        number = operator.index(count)
    except TypeError:
        raise TypeError(f"{quoted(name)} must be a whole number. Received: {count!r}") from None
    if number < least:
        raise ValueError(f"{quoted(name)} must be at least {least}. Received: {count!r}")
    return number
