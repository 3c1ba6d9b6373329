"""Several devices end where one does that makes their passes."""

from __future__ import annotations

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_fcn.training.runtime.choice import strategy_on
from tests.golden import REPOSITORY, assert_close

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's"
)


def run(folder, devices, iter_size, updates):
    result = folder / f"{devices}_{iter_size}_{updates}.npz"
    numbers = map(str, (devices, iter_size, updates))
    command = [sys.executable, "-m", "tests.keras_fcn.solver.spread", folder, *numbers, result]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(command, check=True, cwd=REPOSITORY, env=environment)
    with np.load(result) as arrays:
        return dict(arrays)


def test_gpus_by_number(monkeypatch):
    tf = pytest.importorskip("tensorflow")
    assert strategy_on("0") is None
    found, made = ["GPU:0"], []
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda _: found)
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda devices: made.append(devices))
    assert strategy_on("all") is None  # the only one
    with pytest.raises(ValueError, match=r"finds 1 GPU here, .*Received: 0,1; leave it out"):
        strategy_on("0,1")
    found *= 3
    for gpus in "all", "2,1,2", "2":
        strategy_on(gpus)
    assert made == [["GPU:0", "GPU:1", "GPU:2"], ["GPU:2", "GPU:1"], ["GPU:2"]]
    found.clear()
    with pytest.raises(ValueError, match=r"finds 0 GPU here, .*Received: all"):
        strategy_on("all")


@pytest.mark.slow
def test_two_devices_make_the_updates_of_twice_the_passes(tmp_path):
    several, one = run(tmp_path, 2, 2, 3), run(tmp_path, 1, 4, 3)
    statistics = [f"bn/{index}" for index in range(3)]
    for name in several.keys() - statistics:
        assert_close(several[name], one[name], 1e-5)
    # The first device's passes alone count here: half as many.
    assert 0 < several["bn/2"] < one["bn/2"]


@pytest.mark.slow
def test_what_passes_change_is_the_first_devices(tmp_path):
    several, one = run(tmp_path, 2, 1, 1), run(tmp_path, 1, 1, 1)
    for index in range(3):
        assert_close(several[f"bn/{index}"], one[f"bn/{index}"], 1e-6)
    assert abs(several["fc/0"] - one["fc/0"]).max() > 1e-4  # the other device's gradient
