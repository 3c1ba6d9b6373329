"""What a solver keeps between runs, and over snapshots: counts, steps, losses, places, requests."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.caffe.blobs.solverstate import load_solverstate
from keras_fcn.caffe.errors import CaffeError, CaffeWarning
from keras_fcn.caffe.text.solver import parse_solver
from keras_fcn.cli import main
from keras_fcn.solver import Solver
from keras_fcn.solver.rates import current_step

NET = """
name: "tiny"
layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  param { lr_mult: 1 } param { lr_mult: 2 }
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
SOLVER = """net: "net.prototxt"
base_lr: 0.1
lr_policy: "fixed"
momentum: 0.9
max_iter: 4
snapshot_prefix: "snap"
random_seed: 1
"""


def feed():
    while True:
        yield {"data": np.ones((2, 3)), "label": np.array([0, 3])}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    return tmp_path


def solver_of(folder, more="", **options) -> Solver:
    kept = [line for line in SOLVER.splitlines() if f"{line.split(':')[0]}:" not in more]
    (folder / "solver.prototxt").write_text("\n".join([*kept, more]))
    return Solver("solver.prototxt", **{"verbose": False, "feed": feed(), **options})


def test_equal_and_unsorted_step_values_are_kept_in_the_state(folder):
    text = 'lr_policy: "multistep" gamma: 0.5 stepvalue: 1 stepvalue: 1 stepvalue: 0'
    solver = solver_of(folder, text)
    rates = []
    for _ in range(5):
        rates.append(solver.learning_rate)
        solver.step()
    assert rates == pytest.approx([0.1, 0.05, 0.025, 0.0125, 0.0125])
    assert load_solverstate(solver.snapshot()).current_step == 3
    assert [current_step(solver.definition, i) for i in range(-1, 4)] == [0, 0, 1, 2, 3]


def test_iterations_are_counted_where_nothing_is_trained(folder):
    (folder / "net.prototxt").write_text(
        NET.replace("lr_mult: 1", "lr_mult: 0").replace("lr_mult: 2", "lr_mult: 0")
    )
    with pytest.warns(CaffeWarning, match=r"the gradient of 'loss' reaches no parameter"):
        solver = solver_of(folder, "weight_decay: 0.1 clip_gradients: 1")
    before = solver.params["fc"][0].data.copy()
    solver.step(2)
    assert solver.iteration == 2
    state = solver.snapshot()
    with pytest.warns(CaffeWarning, match=r"reaches no parameter"):
        again = solver_of(folder, snapshot=state)
    again.step(1)
    assert again.iteration == 3
    np.testing.assert_array_equal(again.params["fc"][0].data, before)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("changed", [2, 3, 5])
def test_another_average_loss_goes_on_with_the_last_losses(folder, changed):
    solver = solver_of(folder, "average_loss: 3")
    each = []
    for _ in range(5):
        solver.step()
        each.append(solver.loss)
    whole = solver_of(folder, "average_loss: 3")
    whole.step(5)
    state = whole.snapshot()
    again = solver_of(folder, f"average_loss: {changed}", snapshot=state)
    kept = each[-min(changed, 3) :]
    assert again.loss == pytest.approx(np.mean(kept))
    for _ in range(4):
        again._goes_on = True  # one run in pieces
        again.step()
        solver.step()
        kept = [*kept, solver.loss][-changed:]
        assert again.loss == pytest.approx(np.mean(kept), rel=1e-5)


def test_a_stop_is_for_the_run_that_is_under_way(folder):
    solver = solver_of(folder)
    solver.request("stop")
    solver.step(2)
    assert solver.iteration == 2
    original = solver._iterate
    solver._iterate = lambda: (solver.request("stop"), original())
    solver.step(5)
    assert solver.iteration == 3
    solver._iterate = original
    solver.step(2)
    assert solver.iteration == 5


def test_constants_that_are_not_given_are_those_that_are():
    given = parse_solver('net: "a" momentum2: 0.999 rms_decay: 0.99 delta: 1e-8')
    told = parse_solver('net: "a"')
    for name in ("momentum2", "rms_decay", "delta"):
        assert getattr(given, name) == getattr(told, name)


def test_a_rate_that_is_not_given_is_told(folder, capsys):
    (folder / "solver.prototxt").write_text(SOLVER.replace("base_lr: 0.1\n", ""))
    Solver("solver.prototxt", feed=feed()).close()
    assert "base_lr is 0 or not given" in capsys.readouterr().err


MEMORY = """layer { name: "data" type: "MemoryData" top: "data" top: "label"
  memory_data_param { batch_size: 2 channels: 3 height: 1 width: 1 } }"""


def _memory(text: str) -> str:
    begin, end = text.index('layer { name: "data"'), text.index('layer { name: "fc"')
    return f"{text[:begin]}{MEMORY}\n{text[end:]}"


def test_arrays_that_are_fed_behind_a_snapshot_go_on_at_its_place(folder):
    (folder / "net.prototxt").write_text(_memory(NET))
    images = np.random.default_rng(0).normal(size=(6, 3, 1, 1))
    labels = np.array([0, 1, 2, 3, 0, 1])
    solver = solver_of(folder, feed=None)
    solver.data_layers["data"].feed(images, labels)
    solver.step(2)
    state = solver.snapshot()
    again = solver_of(folder, feed=None, snapshot=state)
    again.data_layers["data"].feed(images, labels)
    assert again.step() == solver.step()
    for each in (solver, again):  # arrays that are given later begin anew
        each.data_layers["data"].feed(images[2:], labels[2:])
    np.testing.assert_array_equal(
        again.data_layers["data"].next()["data"], images[2:4].astype("f4")
    )


def test_a_restore_that_fails_changes_nothing_and_tells_the_way(folder):
    (folder / "net.prototxt").write_text(_memory(NET))
    data = np.ones((2, 3, 1, 1)), np.zeros(2)
    solver = solver_of(folder, feed=None)
    solver.data_layers["data"].feed(*data)
    solver.step(2)
    state = solver.snapshot()
    other = solver_of(folder, feed=lambda: {"data": data[0], "label": data[1]})
    other.step(1)
    before, loss = other.params["fc"][0].data.copy(), other.loss
    with pytest.raises(CaffeError, match=r"1 data layers, the net has 0; restore.*data=False"):
        other.restore(state)
    np.testing.assert_array_equal(other.params["fc"][0].data, before)
    assert (other.iteration, other.loss) == (1, loss)
    other.restore(state, data=False)
    assert other.iteration == 2
    place = state.with_name("snap_iter_2.place.npz")
    np.savez(place, notes=np.array("{}"))
    with pytest.raises(CaffeError, match=r"is damaged.*data=False"):
        solver.restore(state)
    place.write_bytes(b"PK")
    with pytest.raises(CaffeError, match=r"is damaged.*data=False"):
        solver.restore(state)


def test_a_command_goes_on_without_what_a_new_run_would_need(folder, monkeypatch):
    """Weights that the solver names may be gone by then."""
    (folder / "net.prototxt").write_text(_memory(NET))
    seen = []
    monkeypatch.setattr(Solver, "solve", lambda self: seen.append(self.iteration))
    solver = solver_of(folder, feed=None)
    solver.data_layers["data"].feed(np.ones((2, 3, 1, 1)), np.zeros(2))
    solver.step(1)
    state = str(solver.snapshot())
    with open(folder / "solver.prototxt", "a", encoding="utf-8") as file:
        file.write('weights: "gone.caffemodel"\n')
    assert main(["solve", "solver.prototxt", "--snapshot", state, "--quiet"]) == 0
    assert main(["solve", "solver.prototxt", "--snapshot", state, "--data-from-start"]) == 0
    assert seen == [1, 1]


def test_what_a_run_goes_on_from_is_told(folder, capsys):
    solver = solver_of(folder)
    solver.step(1)
    state = solver.snapshot()
    place = state.with_name("snap_iter_1.place.npz")

    def told(**options) -> str:
        capsys.readouterr()
        again = solver_of(folder, stages=["deep"], level=2, verbose=True)
        again.restore(state, **options)
        return capsys.readouterr().err

    log = told()
    assert "] State of net 'tiny': phase TRAIN, level 2, stages: deep" in log
    assert f"] Resuming from {state}" in log
    assert "random states go on where they were: snap_iter_1.place.npz was found and used" in log
    assert "snap_iter_1.place.npz is not used, as was asked for" in told(data=False)
    kept = place.read_bytes()
    solver.step(1)
    other = solver.snapshot().with_name("snap_iter_2.place.npz")
    place.write_bytes(other.read_bytes())
    assert "was found, but is that of another snapshot" in told()
    place.unlink()
    assert "random states as in a new run: there is no snap_iter_1.place.npz" in told()
    place.write_bytes(kept)
    assert "was found and used" in told()


def test_a_folder_for_snapshots_that_is_missing_is_told_before_a_run(folder, capsys):
    solver = solver_of(folder, 'snapshot_prefix: "nowhere/snap"')
    with pytest.raises(CaffeError, match=r"nowhere' is no folder"):
        solver.solve()
    assert solver.iteration == 0
    text = (folder / "solver.prototxt").read_text()
    (folder / "net.prototxt").write_text(
        NET.replace('"Input"', '"DummyData"').replace("input_param", "dummy_data_param")
    )
    (folder / "solver.prototxt").write_text(text)
    command = ["solve", "solver.prototxt", "--quiet", "--iterations", "1"]
    assert main(command) == 1
    assert "nowhere' is no folder" in capsys.readouterr().err


def test_weights_files_in_one_text_are_parted(folder):
    assert parse_solver('net: "a" weights: "b.caffemodel, c.caffemodel"').weights == (
        "b.caffemodel",
        "c.caffemodel",
    )
