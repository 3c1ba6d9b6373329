"""Ten iterations of Caffe's solvers, and the snapshots of these."""

from __future__ import annotations

import numpy as np
import pytest

from keras_fcn.caffe.blobs.caffemodel import read_caffemodel
from keras_fcn.solver import Solver
from tests.keras_fcn.solver.cases import Run, require_same_state, runs


def _solver(run: Run, folder, **options) -> Solver:
    return Solver(folder / "solver.prototxt", verbose=False, **options)


@pytest.mark.sweep(20)
@pytest.mark.parametrize("run", runs("training")[::-1], ids=str)
def test_ten_iterations_are_caffes(run, tmp_path):
    folder = run.files(tmp_path)
    solver = _solver(run, folder, weights=run.net / "init.caffemodel", feed=run.feed())
    for iteration in range(10):
        assert solver.learning_rate == pytest.approx(run.trajectory["lr"][iteration], rel=5e-6)
        loss = solver.step()
        assert loss == pytest.approx(run.trajectory["solver_loss"][iteration], rel=2e-5)
        assert run.require_parameters(solver) > 3
    for snapshot in (5, 10):
        (theirs,) = run.folder.glob(f"snap_iter_{snapshot}.solverstate*")
        require_same_state(folder / theirs.name, theirs)
        weights = theirs.name.replace("solverstate", "caffemodel")
        ours, caffes = (read_caffemodel(x / weights) for x in (folder, run.folder))
        assert ours.definition == caffes.definition
        assert {name: [b.shape for b in x] for name, x in ours.items()} == {
            name: [b.shape for b in x] for name, x in caffes.items()
        }


@pytest.mark.sweep(20)
@pytest.mark.parametrize("run", runs("training")[::-1], ids=str)
def test_caffes_snapshot_is_resumed(run, tmp_path):
    folder = run.files(tmp_path)
    (state,) = run.folder.glob("snap_iter_5.solverstate*")
    passes = 2 if "iter_size2" in str(run) else 1
    solver = _solver(run, folder, snapshot=state, feed=run.feed(5 * passes))
    assert solver.iteration == 5
    solver.step(5)
    assert run.require_parameters(solver) > 3


@pytest.mark.slow
@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
@pytest.mark.parametrize("name", ["fcn_adam", "bn_sgd", "mlp_sgd", "fcn_adadelta"])
def test_our_snapshot_goes_on_bit_for_bit(name, form, tmp_path):
    (run,) = runs("training", name)
    folder = run.files(tmp_path)
    path = folder / "solver.prototxt"
    text = path.read_text().replace("snapshot_format: HDF5\n", "")
    path.write_text(f"{text}snapshot_format: {form}\n")
    whole = _solver(run, folder, weights=run.net / "init.caffemodel", feed=run.feed())
    whole.step(10)
    state = next(folder.glob("snap_iter_5.solverstate*"))
    resumed = _solver(run, folder, snapshot=state, feed=run.feed(5))
    resumed.step(5)
    for layer, blobs in whole.params.items():
        for ours, theirs in zip(blobs, resumed.params[layer], strict=True):
            np.testing.assert_array_equal(ours.data, theirs.data)
    again = _solver(run, folder, snapshot=state, feed=run.feed(5))
    assert again.iteration == 5
    before = read_caffemodel(next(folder.glob("snap_iter_5.caffemodel*")))
    for layer, blobs in before.items():
        for ours, theirs in zip(again.params[layer], blobs, strict=True):
            np.testing.assert_array_equal(ours.data, theirs)
