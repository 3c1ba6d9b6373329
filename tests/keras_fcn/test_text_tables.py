from __future__ import annotations

import pytest

from keras_fcn.text_tables import text_table


def test_numbers_are_set_to_the_right():
    rows = [("a", "b", "c"), ("long", "", "100")]
    assert text_table(rows, right=[-1]) == "a     b    c\nlong     100"
    assert text_table(rows, right=[0, 2]) == "   a  b    c\nlong     100"


def test_lines_end_without_blanks():
    assert text_table([("a", "long"), ("b", ""), ("", "")]) == "a  long\nb\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [("COLUMNS", "20"), ("FORCE_COLOR", "1"), ("TERM", "dumb"), ("JPY_PARENT_PID", "1")],
)
def test_the_terminal_changes_nothing(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    path = "/".join(["folder with blanks"] * 300)
    assert text_table([("weights", path), ("a", "b")]) == f"weights  {path}\na        b"


def test_cells_are_shown_as_they_are():
    rows = [("[bold]x[/bold]", "12"), (":smile:", "0x1f"), ("http://a.b/c", "'quoted'")]
    assert text_table(rows).splitlines() == [
        "[bold]x[/bold]  12",
        ":smile:         0x1f",
        "http://a.b/c    'quoted'",
    ]


def test_a_cell_stays_in_its_row():
    assert text_table([("two\nlines", "1"), ("one", "2")]) == "two lines  1\none        2"


def test_wide_letters_take_two_columns():
    assert text_table([("道路", "1"), ("road", "2"), ("é", "3")]) == "道路  1\nroad  2\né     3"


def test_nothing():
    assert text_table([]) == ""
