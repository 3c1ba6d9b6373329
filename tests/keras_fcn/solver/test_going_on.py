"""What a solver keeps between runs, and over snapshots: counts, steps, losses, places, requests."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.caffe.blobs.solverstate import load_solverstate
from keras_fcn.caffe.text.solver import parse_solver
from keras_fcn.solver import Solver
from keras_fcn.solver.updates import current_step

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


NOT_TWICE = 'lr_policy: "fixed"'


def feed():
    while True:
        yield {"data": np.ones((2, 3)), "label": np.array([0, 3])}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    return tmp_path


def solver_of(folder, more="", **options) -> Solver:
    (folder / "solver.prototxt").write_text(
        SOLVER.replace(NOT_TWICE, "") + more if "lr_policy" in more else SOLVER + more
    )
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
    solver = solver_of(folder, "weight_decay: 0.1 clip_gradients: 1")
    before = solver.params["fc"][0].data.copy()
    solver.step(2)
    assert solver.iteration == 2
    state = solver.snapshot()
    again = solver_of(folder, snapshot=state)
    again.step(1)
    assert again.iteration == 3
    np.testing.assert_array_equal(again.params["fc"][0].data, before)


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
