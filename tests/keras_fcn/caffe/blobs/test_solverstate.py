"""Snapshots of Caffe's solver."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import convert
from keras_fcn.caffe.errors import WeightsError
from tests.golden import golden_folder
from tests.keras_fcn.caffe import writer
from tests.keras_fcn.caffe.conftest import random_blobs

HISTORY = random_blobs([(4, 3, 2, 2), (4,), ()])
HEAD = 'iter: 7 learned_net: "run/net_iter_7.caffemodel" current_step: 2'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net_iter_7.solverstate"


def write_hdf5(path: Path, without: str = "", **changed: object) -> None:
    values = {"iter": [7], "current_step": [2], "learned_net": "run/net_iter_7.caffemodel"}
    with h5py.File(path, "w") as file:
        for name, value in (values | changed).items():
            if name != without:
                file[name] = np.int32(value) if name in ("iter", "current_step") else value
        if without != "history":
            group = file.create_group("history")
            for index, array in enumerate(HISTORY):
                group[str(index)] = array


def write_binary(path: Path) -> None:
    path.write_bytes(writer.solverstate(HEAD, [writer.blob(array) for array in HISTORY]))


@pytest.mark.parametrize("write", [write_binary, write_hdf5])
def test_both_forms(path, write):
    write(path)
    state = convert.load_solverstate(path)
    assert (state.iter, state.current_step) == (7, 2)
    assert state.learned_net == "run/net_iter_7.caffemodel"
    assert [blob.shape for blob in state.history] == [array.shape for array in HISTORY]
    for array, wanted in zip(state.arrays(), HISTORY, strict=True):
        np.testing.assert_array_equal(array, wanted)
        assert array.dtype == np.float32


def test_without_history_and_step(path):
    path.write_bytes(writer.solverstate("iter: 0", []))
    state = convert.load_solverstate(path)
    assert (state.iter, state.learned_net, state.current_step, state.history) == (0, "", 0, ())


def test_snapshots_of_caffe():
    paths = sorted(golden_folder().glob("training/*/*.solverstate*"))
    assert paths
    for path in paths:
        state = convert.load_solverstate(path)
        assert path.name.startswith(f"snap_iter_{state.iter}.")
        shapes = [
            blob.shape
            for layer in convert.load_weights(path.with_name(state.learned_net)).layers.values()
            for blob in layer.blobs
        ]
        rows = len(state.history) // len(shapes)
        assert rows == (2 if "adam" in path.parent.name or "delta" in path.parent.name else 1)
        assert [blob.shape for blob in state.history] == shapes * rows


@pytest.mark.parametrize("write", [write_binary, write_hdf5])
def test_as_weights(path, write):
    write(path)
    with pytest.raises(WeightsError, match=f"^{path} is a solver state, which holds no weights"):
        convert.load_weights(path)


def test_long_name_is_cut(path):
    path.write_bytes(writer.solverstate(f'iter: 1 learned_net: "{"x" * 9999}"', []))
    with pytest.raises(WeightsError) as caught:
        convert.load_weights(path)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (writer.solverstate(HEAD, [writer.blob(HISTORY[0])])[:-1], "is not a solverstate, or is"),
        (writer.solverstate('learned_net: "x"', []), "has no iteration; is it a solverstate"),
        (writer.net('name: "a"', []), "has no iteration"),
        (writer.solverstate("iter: 1", [writer.dims((3,))]), r"\(3,\) comes with 0 values"),
        (b"hello", "is not a solverstate"),
    ],
)
def test_other_files(path, data, message):
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=message) as caught:
        convert.load_solverstate(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["iter", "learned_net", "current_step", "history"])
def test_hdf5_without_a_part(path, name):
    write_hdf5(path, without=name)
    with pytest.raises(WeightsError, match=f"^{path} has no '{name}'; is it a .solverstate.h5"):
        convert.load_solverstate(path)


@pytest.mark.parametrize(
    "changed", [{"iter": [1, 2]}, {"current_step": []}, {"learned_net": [1.0]}]
)
def test_hdf5_with_odd_values(path, changed):
    write_hdf5(path, **changed)
    with pytest.raises(WeightsError, match=f"^{path}"):
        convert.load_solverstate(path)
