"""Snapshots that were moved, renamed or damaged, and those of another type of solver."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from keras_fcn.caffe.errors import CaffeError
from keras_fcn.cli import main
from tests.keras_fcn.solver.test_going_on import (  # noqa: F401  a fixture
    folder,
    solver_of,
)


def _changed(solver):
    """The solver with weights that no run gave, and these."""
    solver.params["fc"][0].data[...] += 1
    return solver.params["fc"][0].data.copy()


@pytest.mark.parametrize("ending", ["", ".h5"])
def test_the_weights_beside_a_state_count_and_are_told(folder, capsys, ending):  # noqa: F811
    form = 'snapshot_format: HDF5 snapshot_prefix: "snap"' if ending else ""
    solver = solver_of(folder, form)
    solver.step(1)
    mine = _changed(solver)
    state = solver.snapshot()
    shutil.copytree(folder, folder / "copied")
    _changed(solver)
    solver.snapshot()
    moved = folder / "copied" / state.name
    for restored in (
        solver_of(folder, form, snapshot=moved, verbose=True),
        solver_of(folder, form, verbose=True),
    ):
        restored.restore(moved)
        np.testing.assert_array_equal(restored.params["fc"][0].data, mine)
    log = capsys.readouterr().err
    weights = moved.with_name(f"snap_iter_1.caffemodel{ending}")
    assert f"Weights are those of {weights}" in log
    assert f"snap_iter_1.caffemodel{ending}, which {state.name} may name too, differs from" in log
    (folder / f"snap_iter_1.caffemodel{ending}").unlink()
    solver_of(folder, form, snapshot=moved, verbose=True)
    assert "differs from" not in capsys.readouterr().err
    weights.rename(folder / weights.name)  # where the state says
    again = solver_of(folder, form, snapshot=moved, verbose=True)
    np.testing.assert_array_equal(again.params["fc"][0].data, mine)
    assert f"Weights are those of snap_iter_1.caffemodel{ending}" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x04N."], ids=["empty", "cut", "pickle"])
def test_a_damaged_place_is_named_with_the_way(folder, content):  # noqa: F811
    solver = solver_of(folder)
    state = solver.snapshot()
    place = state.with_name("snap_iter_0.place.npz")
    place.write_bytes(content)
    with pytest.raises(CaffeError, match=r"snap_iter_0.place.npz is damaged.*data=False"):
        solver.restore(state)
    solver.restore(state, data=False)


def test_a_damaged_place_is_one_line_of_a_command(folder, capsys):  # noqa: F811
    state = solver_of(folder).snapshot()
    place = state.with_name("snap_iter_0.place.npz")
    place.write_bytes(place.read_bytes()[:-200])
    net = folder / "net.prototxt"
    net.write_text(net.read_text().replace("Input", "DummyData").replace("input", "dummy_data"))
    assert main(["solve", "solver.prototxt", "--snapshot", str(state), "--quiet"]) == 1
    *_, error = capsys.readouterr().err.splitlines()
    assert "place.npz is damaged" in error
    assert "--data-from-start" in error


def test_the_state_of_another_type_of_solver_is_refused(folder, capsys):  # noqa: F811
    solver = solver_of(folder)
    solver.step(1)
    state = solver.snapshot()
    other = solver_of(folder, 'type: "Nesterov"', verbose=True)
    before = other.params["fc"][0].data.copy()
    for data in (True, False):
        with pytest.raises(CaffeError, match=r"type: 'Nesterov'.*written by one of type 'SGD'"):
            other.restore(state, data=data)
    np.testing.assert_array_equal(other.params["fc"][0].data, before)
    assert other.iteration == 0
    state.with_name("snap_iter_1.place.npz").unlink()  # as Caffe's own
    other.restore(state)
    assert "it does not tell the type of its solver, and is taken for" in capsys.readouterr().err
