"""Checks of constructor arguments that several layers share."""

from __future__ import annotations

from collections.abc import Sequence


def pair(value: int | Sequence[int], name: str, minimum: int) -> tuple[int, int]:
    """A (height, width) pair from one number or two.

    Raises:
        ValueError: not one or two integers, or one below the minimum.
    """
    sizes = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(sizes) != 2 or not all(isinstance(size, int) and size >= minimum for size in sizes):
        raise ValueError(
            f"{name} must be an integer of at least {minimum}, or a (height, width) pair of them. "
            f"Received: {value!r}"
        )
    return sizes
