"""Several devices, and several workers, end where one device does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.golden import REPOSITORY
from tests.keras_fcn.training.nets import shapes_data

_ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


def start(module, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.keras_fcn.training.{module}", *map(str, arguments)],
        cwd=REPOSITORY,
        env=_ENVIRONMENT | environment,
    )


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def weights(run_folder, name="last"):
    with np.load(run_folder / "checkpoints" / f"{name}.npz") as file:
        notes = json.loads(str(file["notes"]))
        # Random states differ: those of dropout, which the runs do not have.
        return [file[key] for key in file.files if key.startswith("network/")], notes


def assert_close_runs(one, other):
    for a, b in zip(weights(one)[0], weights(other)[0], strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)
    rows = [
        [(row["epoch"], row["loss"]) for row in weights(run)[1]["history"]] for run in (one, other)
    ]
    np.testing.assert_allclose(*rows, rtol=1e-4)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """Data, and the run of one device on it."""
    folder = tmp_path_factory.mktemp("distribution")
    shapes_data(folder / "shapes")
    assert start("spread_run", folder / "shapes", folder / "single", 1).wait() == 0
    return folder


OF_TENSORFLOW = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's"
)


@pytest.mark.slow
@OF_TENSORFLOW
def test_two_devices_of_a_host(single, tmp_path):
    assert start("spread_run", single / "shapes", tmp_path / "run", 2).wait() == 0
    assert_close_runs(single / "single", tmp_path / "run")


@pytest.mark.slow
@OF_TENSORFLOW
def test_two_workers(single, tmp_path):
    addresses = [f"localhost:{port}" for port in free_ports(2)]

    def workers():
        return [
            start(
                "spread_run",
                single / "shapes",
                tmp_path / "run",
                1,
                TF_CONFIG=json.dumps(
                    {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
                ),
            )
            for index in range(2)
        ]

    assert [worker.wait(200) for worker in workers()] == [0, 0]
    assert_close_runs(single / "single", tmp_path / "run")
    assert (tmp_path / "run" / "metrics.json").exists()
    # Started again, both see that there is nothing left to do.
    assert [worker.wait(200) for worker in workers()] == [0, 0]


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="as Keras distributes on JAX")
def test_two_devices_of_jax(tmp_path):
    shapes_data(tmp_path / "shapes")
    two = "--xla_force_host_platform_device_count=2"
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        process = start("spread_jax", tmp_path / "shapes", folder, devices, XLA_FLAGS=two)
        assert process.wait(250) == 0
    assert_close_runs(tmp_path / "1", tmp_path / "2")
