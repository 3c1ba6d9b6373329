"""Copies of weights from one layer to another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras


def copy_weights(old: Iterable[Any], new: Iterable[Any]) -> None:
    """Give variables the values of others, reshaped, in memory of their own.

    An array of JAX that two variables share goes when either of them is trained.

    Args:
        old: the variables to copy.
        new: as many.
    """
    for before, after in zip(old, new, strict=True):
        after.assign(keras.ops.copy(keras.ops.reshape(before, after.shape)))
