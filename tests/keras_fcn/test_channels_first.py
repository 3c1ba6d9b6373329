"""Keras' setting of where channels stand changes nothing here."""

from __future__ import annotations

import os
import subprocess
import sys

import keras
import pytest

from tests.golden import REPOSITORY
from tests.keras_fcn.layers import onednn_cases


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


@pytest.mark.slow
def test_numbers_are_the_same(tmp_path, capsys):
    first = numbers(tmp_path, "channels_first")
    assert keras.config.image_data_format() == "channels_last"
    onednn_cases.numbers()
    last = capsys.readouterr().out
    assert len(last.split("\n")) > 50
    assert first == last
