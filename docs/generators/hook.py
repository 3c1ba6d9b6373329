"""Adds to the site the pages that are made from the code, and the tutorials' results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from generators import commands, layers, models, names, notebooks, speed  # noqa: E402

PAGES = {
    "speed.md": speed.page,
    "reference/commands.md": commands.page,
    "reference/layers.md": layers.page,
    "reference/models.md": models.page,
    **names.pages(),
}


def on_config(config: Any) -> Any:
    """Called by mkdocs at the start: puts the packages' pages into the navigation."""
    reference = config.nav[-1]["Reference"]
    reference[-1]["Python"] += [{name: f"reference/{name}.md"} for name in names.PACKAGES]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Called by mkdocs when it has collected the pages of the folder."""
    for path, make in PAGES.items():
        files.append(File.generated(config, path, content=make()))
    for file in [each for each in files if each.src_uri.endswith(".ipynb")]:
        notebook = Path(file.abs_src_path)
        text, pictures = notebooks.as_page(notebooks.executed(notebook), notebook.name)
        page = file.src_uri.removesuffix(".ipynb") + ".md"
        files.append(File.generated(config, page, content=text))
        folder = Path(page).parent
        for name, data in pictures.items():
            files.append(File.generated(config, str(folder / name), content=data))
    return files
