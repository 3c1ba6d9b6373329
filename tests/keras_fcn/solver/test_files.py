"""Whole runs from Caffe's own files, loss by loss and line by line."""

from __future__ import annotations

import re
import shutil

import pytest

from keras_fcn.caffe.blobs.caffemodel import read_caffemodel
from keras_fcn.cli import main
from keras_fcn.solver import Solver
from tests.keras_fcn.solver.cases import require_same_log, require_same_state, runs


@pytest.fixture
def here(run, tmp_path, monkeypatch):
    folder = run.files(tmp_path)
    monkeypatch.chdir(folder)
    return folder


class Watched(Solver):
    """Compares parameters after each iteration."""

    run = None
    compared = 0

    def _iterate(self):
        super()._iterate()
        self.compared += self.run.require_parameters(self)


_RUNS = pytest.mark.parametrize("run", runs("training_files")[::-1], ids=str)


@pytest.mark.sweep(8)
@_RUNS
def test_a_run_is_caffes(run, here, capsys):
    with Watched("solver.prototxt", weights="init.caffemodel") as solver:
        solver.run = run
        solver.solve()
        assert solver.compared > 5
    require_same_log(capsys.readouterr().err, (run.folder / "log.txt").read_text())
    states = list(run.folder.glob("snap_iter_*.solverstate*"))
    for theirs in states:
        require_same_state(here / theirs.name, theirs)
        name = theirs.name.replace("solverstate", "caffemodel")
        ours, caffes = (read_caffemodel(x / name) for x in (here, run.folder))
        assert ours.definition == caffes.definition
    assert {x.name for x in here.glob("*.solverstate*")} == {x.name for x in states}


@pytest.mark.slow
@_RUNS
def test_a_snapshot_of_caffe_is_resumed(run, here, capsys):
    state = run.case["resume"]["state"]
    for file in run.folder.glob(f"{state.partition('.')[0]}.*"):
        shutil.copy(file, here)
    assert main(["solve", "solver.prototxt", "--snapshot", state]) == 0
    require_same_log(capsys.readouterr().err, (run.folder / "log_resumed.txt").read_text())


@pytest.mark.slow
@_RUNS
def test_scores_are_those_of_caffe_test(run, here, capsys):
    command = run.case["commands"]["test"]
    net, weights, count = re.search(
        r"-model (\S+) -weights (\S+) -iterations (\d+)", command
    ).groups()
    shutil.copy(run.folder / weights, here)
    stage = re.search(r"-stage (\S+)", command)
    options = ["--stage", stage[1]] if stage else []
    assert main(["test", net, weights, "-n", count, *options]) == 0
    require_same_log(capsys.readouterr().err, (run.folder / "log_test.txt").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("run", runs("training_files", "hdf5"), ids=str)
def test_a_run_of_ours_goes_on_with_the_next_record(run, here):
    with Solver("solver.prototxt", weights="init.caffemodel", verbose=False) as whole:
        whole.step(4)
        state = whole.snapshot()
        first = whole.step(3)
        with Solver("solver.prototxt", snapshot=state, verbose=False) as resumed:
            assert resumed.step(3) == first
            for layer, blobs in whole.params.items():
                for ours, theirs in zip(blobs, resumed.params[layer], strict=True):
                    assert (ours.data == theirs.data).all()
            resumed.restore(state, data=False)  # as Caffe: from the first record
            assert resumed.step(3) != first
