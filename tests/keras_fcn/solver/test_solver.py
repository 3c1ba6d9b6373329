"""The solver's own ways: sharing, feeding, tables, signals, the command line."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.blobs.caffemodel import read_caffemodel
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.text.solver import parse_solver
from keras_fcn.cli import main
from keras_fcn.solver import Solver
from tests.golden import assert_close

NET = """
name: "twins"
layer { name: "data" type: "MemoryData" top: "data" top: "label"
  memory_data_param { batch_size: 2 channels: 1 height: 2 width: 3 } }
layer { name: "a" type: "InnerProduct" bottom: "data" top: "a"
  param { name: "w" lr_mult: 2 } param { lr_mult: 0 }
  inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" } param { name: "c" }
  inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
layer { name: "drop" type: "Dropout" bottom: "b" top: "b" include { phase: TRAIN } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "b" bottom: "label" top: "loss" }
"""
SOLVER = """net: "net.prototxt"
base_lr: 0.1 lr_policy: "fixed" momentum: 0.5 weight_decay: 0.01
display: 1 max_iter: 4 test_iter: 2 test_interval: 2 random_seed: 3
snapshot_diff: true snapshot_prefix: "snap" debug_info: true
"""
DATA = np.random.default_rng(0).normal(size=(6, 1, 2, 3)).astype("f4"), np.arange(6) % 6


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    return tmp_path


def _solver(snapshot=None, **options) -> Solver:
    solver = Solver("solver.prototxt", **{"verbose": False, **options})
    for sources in (solver.data_layers, *solver.test_data_layers):
        if "data" in sources:
            sources["data"].feed(*DATA)
    if snapshot is not None:
        solver.restore(snapshot)
    return solver


def test_shared_and_frozen_parameters_files_tables_and_lines(folder, capsys):
    solver = _solver(output=folder / "tables", verbose=True)
    kept = solver.params["a"][1].data.copy()
    old = solver.params["a"][0].data.copy()
    solver.solve()
    assert (solver.params["a"][0].data == solver.params["b"][0].data).all()
    assert (solver.params["a"][1].data == kept).all()
    assert not (solver.params["a"][0].data == old).any()
    state = solver.snapshot()  # behind the pass that solve adds
    restored = _solver(snapshot=state)
    assert restored.iteration == 4
    assert solver.step(2) == restored.step(2)  # dropout and the place in the data included
    np.testing.assert_array_equal(solver.params["b"][1].data, restored.params["b"][1].data)
    restored.restore(state, data=False)
    assert restored.iteration == 4

    log = capsys.readouterr().err
    assert "] Starting from what the fillers give" in log
    assert "] State of net 'twins': phase TEST, level 0, stages: none" in log
    assert "[Forward] Layer a, top blob a data: " in log
    assert log.count("Testing net (#0)") == 3 + 1  # the step that went on, too
    with (folder / "tables" / "train.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["iteration"] for row in rows] == ["0", "1", "2", "3", "4", "5"]
    assert float(rows[0]["lr"]) == pytest.approx(0.1)
    assert (folder / "tables" / "test_0.csv").exists()


def test_what_snapshot_diff_writes_was_taken_off(folder):
    solver = _solver()
    solver.step(1)
    before = solver.params["a"][0].data.copy()
    solver.step(1)
    state = solver.snapshot()
    assert read_caffemodel(state.with_suffix(".caffemodel"))["a"][0].shape == (6, 6)
    diffs = solver._step.diffs()
    assert_close(before - diffs["a"][0], solver.params["a"][0].data, 1e-6)
    assert_close(diffs["b"][0], diffs["a"][0])
    assert not diffs["a"][1].any()


def test_a_stop_that_was_asked_for_leaves_a_snapshot(folder):
    solver = _solver()
    solver.step(1)
    original = solver._iterate
    solver._iterate = lambda: (solver.request("stop"), original())
    solver.solve()
    assert solver.iteration == 2
    assert (folder / "snap_iter_2.solverstate").exists()
    with pytest.raises(ValueError, match="'stop' or 'snapshot'"):
        solver.request("halt")


def test_arrays_that_do_not_fit_are_told(folder):
    with pytest.raises(CaffeError, match=r"net.prototxt: input 'data' takes .*\(any, 1, 2, 3\)"):
        _solver(feed=[{"data": np.zeros((2, 2, 3, 1)), "label": np.zeros(2)}]).step()
    with pytest.raises(CaffeError, match=r"no array for input 'label'. Received: .*'data'"):
        _solver(feed=[{"data": np.zeros((2, 1, 2, 3))}]).step()


@pytest.mark.slow
def test_times_are_told_by_layer(folder, capsys):
    (folder / "net.prototxt").write_text(NET.replace("MemoryData", "Input"))
    (folder / "net.prototxt").write_text(
        (folder / "net.prototxt")
        .read_text()
        .replace(
            "memory_data_param { batch_size: 2 channels: 1 height: 2 width: 3 }",
            "input_param { shape { dim: 2 dim: 1 dim: 2 dim: 3 } shape { dim: 2 } }",
        )
    )
    assert main(["time", "net.prototxt", "-n", "2"]) == 0
    log = capsys.readouterr().err
    for layer in ("a", "b", "loss"):
        assert f" {layer}\tforward: " in log
        assert f" {layer}\tbackward: " in log
    assert "Average Forward-Backward: " in log


def test_old_and_inline_forms_are_read():
    solver = parse_solver(
        'net_param { layer { name: "x" type: "Input" top: "x" } } solver_type: ADAGRAD device_id: 2'
    )
    assert (solver.type, solver.idle) == ("AdaGrad", ("device_id",))
    assert solver.net_param.layers[0].name == "x"
    assert keras_fcn.Solver is Solver


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    """Wherever it was killed, the last snapshot is whole, and leads to the end of the whole run."""
    (tmp_path / "net.prototxt").write_text(
        NET.replace(
            'type: "MemoryData" top: "data" top: "label"\n  memory_data_param { batch_size: 2 '
            "channels: 1 height: 2 width: 3 }",
            'type: "HDF5Data" top: "data" top: "label"\n  hdf5_data_param { source: "list" '
            "batch_size: 2 }",
        )
    )
    import h5py

    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["data"], file["label"] = np.repeat(DATA[0], 7, 0)[:41], np.repeat(DATA[1], 7)[:41]
    (tmp_path / "list").write_text("data.h5\n")
    text = SOLVER.replace("max_iter: 4", "max_iter: 150 snapshot: 3")
    text = text.replace("debug_info: true", "").replace("test_iter: 2 test_interval: 2", "")
    (tmp_path / "solver.prototxt").write_text(text.replace("display: 1", ""))
    command = [sys.executable, "-m", "keras_fcn", "solve", "solver.prototxt", "--quiet"]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0
    whole = read_caffemodel(tmp_path / "snap_iter_150.caffemodel")
    whole = {name: [blob.copy() for blob in blobs] for name, blobs in whole.items()}
    for file in tmp_path.glob("snap_*"):
        file.unlink()
    killed = subprocess.Popen(command, cwd=tmp_path)
    while len(list(tmp_path.glob("*.solverstate"))) < 3:
        time.sleep(0.05)
        assert killed.poll() is None
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    done = [int(x.stem.rpartition("_")[2]) for x in tmp_path.glob("*.solverstate")]
    assert max(done) < 150
    command += ["--snapshot", f"snap_iter_{max(done)}.solverstate"]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0
    resumed = read_caffemodel(tmp_path / "snap_iter_150.caffemodel")
    for name, blobs in whole.items():
        for ours, theirs in zip(resumed[name], blobs, strict=True):
            np.testing.assert_array_equal(ours, theirs)
