"""Pages of the tutorials: notebooks, run from the first cell to the last in an empty folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

_SECONDS_A_CELL = 600


def executed(notebook: Path) -> nbformat.NotebookNode:
    """A notebook with its results.

    Raises:
        CellExecutionError: a cell ends with an error.
    """
    content = nbformat.read(notebook, as_version=4)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory() as empty:
        NotebookClient(
            content, timeout=_SECONDS_A_CELL, resources={"metadata": {"path": empty}}
        ).execute(env=environment)
    return content


def as_page(content: nbformat.NotebookNode, name: str) -> tuple[str, dict[str, bytes]]:
    """Markdown of a notebook, and its pictures: file name -> bytes.

    Args:
        content: with results.
        name: of the notebook's file, which the page links to.
    """
    pictures = {"unique_key": Path(name).stem, "output_files_dir": "."}
    text, resources = MarkdownExporter().from_notebook_node(content, resources=pictures)
    title, _, rest = text.lstrip().partition("\n")
    link = f"[As a notebook]({name})"
    outputs = resources["outputs"].items()  # Pillow images come as JPEG, too, which no page shows
    files = {Path(file).name: data for file, data in outputs if file.endswith(".png")}
    return f"{title}\n\n{link}\n{rest}", files
