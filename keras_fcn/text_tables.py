"""Tables of plain text, as people read them and other programs cut them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO

_WIDTH = 1 << 20  # nothing is wrapped or cut, whatever the terminal


def text_table(rows: Sequence[Sequence[str]], *, right: Iterable[int] = ()) -> str:
    """Set rows in columns, two spaces apart and without blanks at the ends of lines.

    Args:
        rows: the cells, as many in each row.
        right: indices of the columns that are set to the right, as numbers are; -1 is the last.
    """
    # Here, as a command that prints no table starts without them.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = list(zip(*rows, strict=True))
    numbers = {range(len(columns))[index] for index in right}
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for index in range(len(columns)):
        table.add_column(justify="right" if index in numbers else "left", no_wrap=True)
    # A column as one cell of many lines: rich takes a tenth of the time that it takes for rows.
    table.add_row(*(Text("\n".join(map(_in_one_line, column))) for column in columns))
    text = StringIO()
    Console(file=text, width=_WIDTH, color_system=None, force_jupyter=False).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().removesuffix("\n").split("\n"))


def _in_one_line(cell: str) -> str:
    return cell.replace("\n", " ")
