"""Every block of code of the site and the README runs, in the order of its page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from keras_fcn.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "pages").rglob("*.md"))]
_BLOCK = re.compile(
    r"(?P<before>[^\n]*\n)?\n```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_LEFT_OUT = re.compile(r"<!-- not run: (.+) -->")


def blocks(page: Path) -> list[tuple[str, str]]:
    """(language, text) of the blocks of a page that are run.

    A comment in the line above a block, `<!-- not run: why -->`, leaves it out.
    """
    found = _BLOCK.finditer(page.read_text("utf-8"))
    return [
        (each["language"], each["text"])
        for each in found
        if not _LEFT_OUT.search(each["before"] or "")
    ]


def run_commands(text: str) -> None:
    """Run a block's `keras-fcn` and `python -m convert` lines in this process."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:3] == ["python", "-m", "convert"]:
            words = ["keras-fcn", "convert", *words[3:]]
        if not words:
            continue
        assert words[0] == "keras-fcn", f"not a command of keras-fcn: {line}"
        assert main(words[1:]) == 0, line


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": page.stem}
    for language, text in blocks(page):
        if language == "sh":
            run_commands(text)
        elif language == "python":
            exec(compile(text, str(page), "exec"), names)


def test_pages_are_found():
    assert len(PAGES) > 1
    assert any(blocks(page) for page in PAGES)
