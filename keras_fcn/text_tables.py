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


def html_table(
    rows: Iterable[Sequence[str]], titles: Sequence[str] = (), *, caption: str = ""
) -> str:
    """Set rows in a table for notebooks; whatever the cells hold is shown as text.

    Args:
        rows: the cells.
        titles: of the columns; none for rows that begin with their own titles.
        caption: a line above the table.
    """
    import html  # with all its entities

    def row(cells: Sequence[str], first: str, rest: str) -> str:
        kinds = [first, *[rest] * (len(cells) - 1)]
        parts = zip(kinds, map(html.escape, cells), strict=True)
        return f"<tr>{''.join(f'<{kind}>{text}</{kind}>' for kind, text in parts)}</tr>"

    lines = [f"<caption>{html.escape(caption)}</caption>"] if caption else []
    lines += [row(titles, "th", "th")] if titles else []
    lines += [row(cells, "td" if titles else "th", "td") for cells in rows]
    return f"<table>{''.join(lines)}</table>"


def _in_one_line(cell: str) -> str:
    return cell.replace("\n", " ")
