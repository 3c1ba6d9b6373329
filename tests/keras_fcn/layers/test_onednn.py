"""TensorFlow's oneDNN operations, which other CPUs than this one may turn on by default."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.golden import REPOSITORY

MODULE = "tests.keras_fcn.layers.onednn_cases"


@pytest.mark.slow
@pytest.mark.parametrize("switch", ["1", pytest.param("0", marks=pytest.mark.slow)])
def test_gradients_and_empty_batches(switch):
    """In a process of its own: what is wrong here ends it."""
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.keras_fcn.layers.onednn_cases",
            "gradients",
            "heads_without_boxes",
            "empty_batches",
        ],
        cwd=REPOSITORY,
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": switch},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.split("\n") == ["gradients", "heads without boxes", "empty batches", ""]
