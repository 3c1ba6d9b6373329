"""Keras' setting of where channels stand changes nothing here."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.golden import REPOSITORY


def numbers(folder, setting):
    (folder / "keras.json").write_text(
        f'{{"backend": "tensorflow", "image_data_format": "{setting}"}}'
    )
    run = subprocess.run(
        [sys.executable, "-m", "tests.keras_fcn.layers.onednn_cases", "numbers"],
        cwd=REPOSITORY,
        env={**os.environ, "KERAS_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


def test_numbers_are_the_same(tmp_path):
    first, last = (numbers(tmp_path, f"channels_{end}") for end in ("first", "last"))
    assert len(last.split("\n")) > 50
    assert first == last
