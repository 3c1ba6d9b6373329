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


def sizes(value: int | Sequence[int], name: str, minimum: int) -> tuple[int, ...]:
    """One number for all spatial axes, or one for each.

    Raises:
        ValueError: not integers, none at all, or one below the minimum.
    """
    numbers = tuple(value) if isinstance(value, Sequence) else (value,)
    if not numbers or not all(isinstance(size, int) and size >= minimum for size in numbers):
        raise ValueError(
            f"{name} must be an integer of at least {minimum}, or one for each spatial axis. "
            f"Received: {value!r}"
        )
    return numbers
