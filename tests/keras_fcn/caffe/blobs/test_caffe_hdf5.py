"""Weights that Caffe wrote as HDF5."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import convert
from keras_fcn.caffe.blobs.caffemodel import CaffeModel, read_caffemodel
from keras_fcn.caffe.blobs.weights import open_weights
from keras_fcn.caffe.errors import WeightsError
from tests.golden import layer_case


def test_same_as_the_caffemodel():
    case = layer_case("weights_hdf5")
    binary = convert.load_weights(case.weights)
    hdf5 = convert.load_weights(case.folder / "weights.caffemodel.h5")
    assert set(hdf5) == set(binary)
    for name, blobs in binary.items():
        for blob, other in zip(blobs, hdf5[name], strict=True):
            np.testing.assert_array_equal(blob, other)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.caffemodel.h5"


def write(path: Path, **datasets: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        for name, array in datasets.items():
            file[name.replace("__", "/")] = array


def test_names_with_a_slash_and_other_numbers(path):
    blob = np.arange(6.0).reshape(2, 3)
    write(path, data__block__conv__0=blob, data__block__conv__1=np.float64(3), data__block__0=blob)
    model = convert.load_weights(path)
    assert set(model) == {"block", "block/conv"}
    np.testing.assert_array_equal(model["block/conv"][0], blob)
    assert [array.dtype for array in model["block/conv"]] == [np.float32] * 2
    assert model["block/conv"][1].shape == ()


def test_kind_of_a_file(path, tmp_path):
    write(path, data__a__0=np.zeros(2))
    with open_weights(path) as weights:
        assert isinstance(weights, CaffeModel)
    write(tmp_path / "other.h5", weights=np.zeros(2))
    path.write_bytes(path.read_bytes()[:900])
    for other, why in ((tmp_path / "other.h5", "has no 'layer_names'"), (path, "cannot read")):
        with pytest.raises(WeightsError, match=why), open_weights(other):
            pass


@pytest.mark.parametrize("content", [{"weights": np.zeros(2)}, {"data": np.zeros(2)}])
def test_other_files(path, content):
    write(path, **content)
    with pytest.raises(WeightsError, match=rf"^{path} has no group 'data'.*keras_fcn.load_weights"):
        read_caffemodel(path)


def test_file_without_layers(path):
    with h5py.File(path, "w") as file:
        file.create_group("data")
    with pytest.raises(WeightsError, match=f"^{path} holds no layers$"):
        read_caffemodel(path)


def test_links_out_of_the_file_are_not_followed(path, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(8))
    with h5py.File(path, "w") as file:
        external = [(str(tmp_path / "secret"), 0, 8)]
        file.create_dataset("data/a/0", (2,), "f4", external=external)
    with pytest.raises(WeightsError, match=f"^{path}: data/a/0 is not stored in the file$"):
        read_caffemodel(path)
