"""The tutorials, run from their first cell to the last, each in an empty folder of its own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

_SECONDS_A_CELL = 600


def executed(notebook: Path, folder: Path) -> Path:
    """Run a notebook.

    Args:
        notebook: the file, which stays as it is.
        folder: where the file with its results is written.

    Raises:
        CellExecutionError: a cell ends with an error.
    """
    content = nbformat.read(notebook, as_version=4)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory() as empty:
        NotebookClient(
            content, timeout=_SECONDS_A_CELL, resources={"metadata": {"path": empty}}
        ).execute(env=environment)
    result = folder / notebook.name
    nbformat.write(content, result)
    return result
