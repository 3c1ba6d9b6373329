"""Plain tables, as people read them and other programs cut them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

Shapes = Iterable[Sequence[int | None] | None]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns two spaces apart; the last column is set to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
            + [row[-1].rjust(widths[-1])]
        )
        for row in rows
    )


def numbers(shapes: Shapes, each: int = 1) -> str:
    """How many numbers arrays of these shapes hold, times ``each``.

    A shape or a size of None is not known: then the sum says that it is a lower bound.
    """
    total, complete = 0, True
    for shape in shapes:
        known = [] if shape is None else [size for size in shape if size is not None]
        if shape is None or len(known) < len(shape):
            complete = False
        else:
            total += each * math.prod(known)
    return f"{total:,}" if complete else f"over {total:,}" if total else "?"
