"""Plain tables, as people read them and other programs cut them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

_FLOAT_BYTES = 4

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


def parameters(shapes: Shapes) -> str:
    """How many numbers arrays of these shapes hold; a shape or a size of None is not known."""
    return _total(shapes, "{:,}", 1)


def memory(shapes: Shapes) -> str:
    """What they take as float32, in units of 1,000,000 bytes."""
    return _total(shapes, "{:,.1f} MB", _FLOAT_BYTES / 1e6)


def _total(shapes: Shapes, form: str, unit: float) -> str:
    total, complete = 0, True
    for shape in shapes:
        sizes = [None] if shape is None else list(shape)
        if None in sizes:
            complete = False
        else:
            total += math.prod(size for size in sizes if size is not None)
    if not complete and not total:
        return "?"
    return ("" if complete else "over ") + form.format(total * unit)
