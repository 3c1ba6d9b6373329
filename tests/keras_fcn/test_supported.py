"""The README's table of layers is the registries'."""

from __future__ import annotations

import pytest

from keras_fcn import supported
from tests.golden import REPOSITORY


def test_the_readme_has_the_table():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert supported.updated(readme) == readme, "run: python -m keras_fcn.supported README.md"


def test_markers_are_needed():
    with pytest.raises(ValueError, match="markers"):
        supported.updated("no table here")
