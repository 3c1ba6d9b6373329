"""What goes wrong is told in one line, and nothing that was there is lost."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from keras_fcn.caffe.blobs.solverstate import load_solverstate
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.cli import main
from keras_fcn.solver import Solver

NET = """
name: "tiny"
layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "log" type: "Power" bottom: "fc" top: "log" power_param { power: 1 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "log" bottom: "label" top: "loss" }
"""
SOLVER = """net: "net.prototxt"
base_lr: 0.1
lr_policy: "fixed"
momentum: 0.9
max_iter: 4
snapshot: 2
snapshot_prefix: "out/snap"
"""


def batches():
    while True:
        yield {"data": np.ones((2, 3)), "label": np.array([0, 3])}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    (tmp_path / "out").mkdir()
    return tmp_path


def _solver(**options) -> Solver:
    return Solver("solver.prototxt", **{"verbose": False, "feed": batches(), **options})


def test_a_failed_snapshot_stops_or_not_and_leaves_the_last_one_whole(folder, capsys):
    solver = _solver(verbose=True)
    solver.step(2)
    state = folder / "out" / "snap_iter_2.solverstate"
    before = {path: path.read_bytes() for path in (folder / "out").iterdir()}
    # What a folder of that name does, a full or read-only disk does too.
    (folder / "out" / "snap_iter_4.solverstate").mkdir()
    with pytest.raises(CaffeError, match=r"iteration 4: no snapshot: .*the last snapshot is out"):
        solver.step(2)
    assert solver.iteration == 4
    assert {path: path.read_bytes() for path in before} == before
    assert not list((folder / "out").glob(".*.part"))
    going_on = _solver(snapshot=state, on_failed_snapshot="continue", verbose=True)
    going_on.step(3)
    assert going_on.iteration == 5
    assert "W" in capsys.readouterr().err.partition("no snapshot")[0].splitlines()[-1][:1]


def test_a_loss_that_is_no_number_names_the_iteration_and_the_layer(folder):
    solver = _solver()
    solver.step(1)
    before = solver.params["fc"][0].data.copy()
    solver.params["fc"][1].data[...] = 3e38
    solver.params["fc"][0].data[...] = 3e38
    with pytest.raises(CaffeError, match=r"iteration 1: the loss is nan: .*'fc' of .*layer 'fc'"):
        solver.step(1)
    assert solver.iteration == 1
    solver.params["fc"][0].data[...] = before
    solver.params["fc"][1].data[...] = 0
    bad = _solver(feed=lambda: {"data": np.full((2, 3), np.inf), "label": np.zeros(2)})
    with pytest.raises(CaffeError, match=r"iteration 0: .*input 'data' has values"):
        bad.step(1)


def test_a_gradient_that_is_no_number_names_its_layer_and_changes_nothing(folder):
    root = NET.replace("power: 1 }", "power: 0.5 }").replace(
        'filler { type: "xavier" }', "filler {}"
    )
    (folder / "net.prototxt").write_text(root)  # the root of zeros, whose slope has no end
    solver = _solver()
    told = (
        r"iteration 0: the loss is 1.38629, but the gradient of blob 1 of .*:5: layer 'fc' .*no sna"
    )
    with pytest.raises(CaffeError, match=told):
        solver.step(1)
    assert solver.iteration == 0
    assert not solver.params["fc"][0].data.any()


def test_parameters_that_are_no_numbers_are_written_over_no_snapshot(folder):
    solver = _solver()
    solver.step(2)
    before = {path: path.read_bytes() for path in (folder / "out").iterdir()}
    solver.params["fc"][1].data[2] = np.inf
    with pytest.raises(CaffeError, match=r"blob 1 of layer 'fc' has values that are not finite"):
        solver.snapshot()
    assert {path: path.read_bytes() for path in (folder / "out").iterdir()} == before


def test_a_snapshot_is_read_once_where_data_begin_anew(folder, monkeypatch):
    _solver().step(2)
    read = []
    original = Solver.restore
    monkeypatch.setattr(Solver, "restore", lambda *a, **k: (read.append(k), original(*a, **k)))
    text = NET.replace('"Input"', '"DummyData"').replace("input_param", "dummy_data_param")
    (folder / "net.prototxt").write_text(text)
    words = ["solve", "solver.prototxt", "--snapshot", "out/snap_iter_2.solverstate", "--quiet"]
    assert main([*words, "--data-from-start"]) == 0
    assert read == [{"data": False}]


def test_states_of_other_nets_and_types_are_refused_before_anything_changes(folder):
    solver = _solver()
    solver.step(2)
    text = SOLVER.replace("momentum: 0.9", 'momentum: 0.9\ntype: "Adam"')
    (folder / "adam.prototxt").write_text(text)
    adam = Solver("adam.prototxt", feed=batches(), verbose=False)
    before = adam.params["fc"][0].data.copy()
    state = "out/snap_iter_2.solverstate"
    with pytest.raises(CaffeError, match=r"has 2 history blobs; a solver of type Adam .* has 4"):
        adam.restore(state)
    np.testing.assert_array_equal(adam.params["fc"][0].data, before)
    (folder / "net.prototxt").write_text(NET.replace("num_output: 4", "num_output: 5"))
    with pytest.raises(CaffeError, match=r"layer 'fc', blob 0, has shape \(4, 3\).*\(5, 3\)"):
        _solver(snapshot=state)
    (folder / "net.prototxt").write_text(NET)
    (folder / "out" / "snap_iter_2.caffemodel").unlink()
    with pytest.raises(CaffeError, match=r"snap_iter_2.caffemodel', which is nowhere"):
        _solver(snapshot=state)
    data = (folder / state).read_bytes()
    (folder / state).write_bytes(data[: len(data) // 2])
    with pytest.raises(CaffeError, match=r"is not a solverstate, or is damaged or cut short"):
        load_solverstate(folder / state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("momentum: 0.9", "momntum: 0.9"), r"solver.prototxt:4: .*no field 'momntum'.*'momentum'"),
        (('"fixed"', '"fixd"'), r"solver.prototxt:3: lr_policy: .*'fixd'"),
        (('"fixed"', '"step"'), r"solver.prototxt:3: lr_policy: .*stepsize"),
        (
            ('lr_policy: "fixed"', ""),
            r"solver.prototxt: lr_policy: is not given; give one of fixed",
        ),
        (("net.prototxt", "nett.prototxt"), r"no file 'nett.prototxt'"),
        (('"out/snap"', '"nowhere/snap"'), r"snapshot_prefix: '.*nowhere' is no folder"),
        (("max_iter: 4", "max_iter: 4\ntest_iter: 3"), r"test_interval is not given"),
        (("max_iter: 4", 'max_iter: 4\ntype: "RMSProp"'), r"momentum: RMSProp has none"),
        (("max_iter: 4", 'max_iter: 4\nsolver_type: SGD\ntype: "SGD"'), r"solver_type: is the old"),
        (("max_iter: 4", 'max_iter: 4\ntrain_net: "net.prototxt"'), r"a solver has one of"),
        (("max_iter: 4", "max_iter: 4\niter_size: 0"), r":6: iter_size: must be at least 1"),
        (("max_iter: 4", "max_iter: 4\ntype: 'Lion'"), r":6: type: must be one of SGD, Nesterov"),
    ],
)
def test_a_wrong_solver_is_told_with_its_line(folder, capsys, change, message):
    (folder / "solver.prototxt").write_text(SOLVER.replace(*change))
    with pytest.raises(CaffeError, match=message):
        _solver()
    assert main(["solve", "solver.prototxt", "--quiet"]) == 1
    *_, error = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")


def test_nets_that_nobody_feeds_or_without_a_loss_are_refused(folder):
    with pytest.raises(CaffeError, match=r"net.prototxt:3: layer 'data' .*nothing feeds 'data'"):
        _solver(feed=None)
    (folder / "net.prototxt").write_text("".join(NET.splitlines(True)[:7]))
    with pytest.raises(CaffeError, match=r"no layer of phase TRAIN is a loss"):
        _solver()


def test_weights_that_fit_nothing_are_refused(folder):
    other = NET.replace('"fc"', '"other"')
    (folder / "net.prototxt").write_text(other)
    _solver().snapshot()
    (folder / "net.prototxt").write_text(NET)
    with pytest.raises(CaffeError, match=r"none of its layers .*other.* is a layer"):
        _solver(weights="out/snap_iter_0.caffemodel")


def test_batches_that_end_are_told(folder):
    with pytest.raises(CaffeError, match="the batches of feed= have ended"):
        _solver(feed=[]).step()


def test_the_scope_of_several_devices_is_refused(folder, monkeypatch):
    several = SimpleNamespace(replicas=2, notes=())
    monkeypatch.setattr("keras_fcn.solver.nets.current_runtime", lambda: several)
    with pytest.raises(ValueError, match=r"outside of a strategy's scope.*of 2 devices.*strategy="):
        _solver()
