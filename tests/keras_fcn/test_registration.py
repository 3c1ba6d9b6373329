"""Keras knows every class of the package once both are imported."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.golden import REPOSITORY

_REGISTERED = re.compile(
    r"^@keras\.saving\.register_keras_serializable.*\nclass (\w+)", re.MULTILINE
)


@pytest.mark.slow
def test_keras_finds_every_class_that_is_registered():
    names = {
        f"keras_fcn>{name}"
        for path in (REPOSITORY / "keras_fcn").rglob("*.py")
        for name in _REGISTERED.findall(path.read_text())
    }
    assert len(names) > 100
    assert {"keras_fcn>Tied", "keras_fcn>Bilinear", "keras_fcn>PixelwiseCrossEntropy"} <= names
    script = "import keras_fcn, keras; print(*keras.saving.get_custom_objects())"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert names - set(done.stdout.split()) == set()
