"""Examples and tutorials import public names alone: those that the site's reference lists."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generators.names import PACKAGES, public
from tests.golden import REPOSITORY

FILES = sorted((REPOSITORY / "examples").rglob("*.py"))
WHOLE = {*PACKAGES, "convert.surgery"}  # which is keras_fcn.caffe.surgery
NOTEBOOKS = sorted((REPOSITORY / "docs" / "pages" / "tutorials").glob("*.ipynb"))


def source(file: Path) -> str:
    text = file.read_text("utf-8")
    if file.suffix == ".py":
        return text
    cells = (cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
    return "\n".join("".join(cell["source"]) for cell in cells)


def imported(text: str) -> Iterator[tuple[str, str]]:
    """(package, name) of what is imported from here; the name is empty for a whole package."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = [(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        yield from (each for each in found if each[0].split(".")[0] in ("keras_fcn", "convert"))


@pytest.mark.parametrize("file", [*FILES, *NOTEBOOKS], ids=lambda file: file.stem)
def test_imports_are_public(file):
    for package, name in imported(source(file)):
        if name and f"{package}.{name}" not in WHOLE:
            assert package in PACKAGES
            assert name in public(package)
        else:
            assert name or package in PACKAGES


def test_examples_are_found_and_say_what_they_show():
    assert len(FILES) > 15
    for file in FILES:
        first = (ast.get_docstring(ast.parse(source(file))) or "").partition("\n")[0]
        assert first.endswith("."), file
