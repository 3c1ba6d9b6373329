"""Weights that Caffe wrote as HDF5."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import convert
import keras_fcn
from tests.golden import layer_case
from tests.keras_fcn.builder.cases import assert_forward


def test_a_caffemodel_h5_gives_what_the_caffemodel_gives():
    case = layer_case("weights_hdf5")
    binary = convert.load_weights(case.weights)
    stored = convert.load_weights(case.folder / "weights.caffemodel.h5")
    assert set(stored) == set(binary)
    for name in binary:
        for one, other in zip(stored[name], binary[name], strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_network_runs_on_it():
    case = layer_case("weights_hdf5")
    model = keras_fcn.from_caffe(case.prototxt, case.folder / "weights.caffemodel.h5")
    assert_forward(model, case)


def test_names_with_slashes(tmp_path):
    with h5py.File(tmp_path / "net.caffemodel.h5", "w") as file:
        file["data/inception_3a/1x1/0"] = np.zeros((2, 3), np.float32)
    assert list(convert.load_weights(tmp_path / "net.caffemodel.h5")) == ["inception_3a/1x1"]


def test_other_hdf5_files_are_refused(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.zeros(3)
    with pytest.raises(convert.WeightsError, match=r"other\.h5 has no group 'data'"):
        convert.load_weights(tmp_path / "other.h5")
