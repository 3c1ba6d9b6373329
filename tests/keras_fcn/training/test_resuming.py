"""A run that was stopped ends as an unbroken one: same weights, same history."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from keras_fcn import datasets
from keras_fcn.training import fine_tune
from tests.golden import REPOSITORY
from tests.keras_fcn.training.nets import shapes_data, tiny

OPTIONS = {
    "epochs": 3,
    "batch_size": 2,
    "learning_rate": 0.05,
    "save_every": 1,
    "exports": (),
    "samples": 0,
    "tensorboard": False,
    "verbose": False,
}


class Stopped(Exception):  # noqa: N818  it is no error
    """What ends a run in the middle."""


class StopAt(keras.callbacks.Callback):
    def __init__(self, epoch, batch):
        super().__init__()
        self.place = (epoch, batch)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            raise Stopped


def run(folder, data, callbacks=(), seed=0, **options):
    train, val = data
    return fine_tune(
        tiny(dropout=0.3, seed=seed),
        train,
        val,
        folder,
        augmentation=datasets.Augmentation(brightness=0.1),
        callbacks=callbacks,
        **OPTIONS | options,
    )


def assert_same(one, other):
    for a, b in zip(one.model.variables, other.model.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    histories = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in result.history]
        for result in (one, other)
    ]
    assert histories[0] == histories[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param(
            {
                "loss": "lovasz+0.5*ohem",
                "balance_classes": True,
                "crop_size": (16, 24),
                "warmup": 5,
            },
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"save_every": None, "optimizer": "adam", "iter_size": 2, "batch_size": 1},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["every update", "other losses", "every epoch"],
)
def test_stopped_runs_go_on_exactly(options, data, tmp_path):
    whole = run(tmp_path / "whole", data, **options)
    broken = tmp_path / "broken"
    # The first start made the weights: those of later starts do not count.
    for seed, place in enumerate(((0, 1), (1, 2))):
        with pytest.raises(Stopped):
            run(broken, data, [StopAt(*place)], seed, **options)
    assert_same(run(broken, data, seed=9, **options), whole)


@pytest.mark.slow
def test_a_finished_run_trains_no_more(data, tmp_path):
    done = run(tmp_path / "run", data)
    before = (tmp_path / "run" / "checkpoints" / "last.npz").stat().st_mtime_ns
    assert_same(run(tmp_path / "run", data, [StopAt(0, 0)], seed=5), done)
    assert (tmp_path / "run" / "checkpoints" / "last.npz").stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_killed_process_goes_on_exactly(tmp_path):
    """SIGKILL at moments that are not chosen, until the run gets to its end."""
    shapes_data(tmp_path / "shapes")
    command = [sys.executable, "-m", "tests.keras_fcn.training.long_run", str(tmp_path / "shapes")]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}

    def start(folder):
        return subprocess.Popen([*command, str(folder)], cwd=REPOSITORY, env=environment)

    assert start(tmp_path / "whole").wait() == 0
    rng, kills = np.random.default_rng(0), 0
    while True:
        process = start(tmp_path / "broken")
        last = tmp_path / "broken" / "checkpoints" / "last.npz"
        before = last.stat().st_mtime_ns if last.exists() else 0
        while kills < 4 and process.poll() is None:
            if last.exists() and last.stat().st_mtime_ns > before:
                time.sleep(rng.uniform(0, 0.2))
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.01)
        if process.wait() == 0:
            break
        assert process.returncode == -signal.SIGKILL
    assert kills == 4
    for name in ("last", "best"):
        with (
            np.load(tmp_path / "whole" / "checkpoints" / f"{name}.npz") as whole,
            np.load(tmp_path / "broken" / "checkpoints" / f"{name}.npz") as broken,
        ):
            assert whole.files == broken.files
            for key in whole.files:
                if key != "notes":
                    np.testing.assert_array_equal(whole[key], broken[key])
    assert not list((tmp_path / "broken" / "checkpoints").glob(".*"))
