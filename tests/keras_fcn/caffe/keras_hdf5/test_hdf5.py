"""The by-name HDF5 file: what stands in it, and what a reader makes of others."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from keras_fcn.caffe.blobs.weights import open_weights
from keras_fcn.caffe.errors import WeightsError
from keras_fcn.caffe.keras_hdf5.writing import LayerEntry, WeightsFile, write_weights
from keras_fcn.caffe.layers import KerasWeight


def entry(name: str, *arrays: np.ndarray, **attributes: object) -> LayerEntry:
    weights = [KerasWeight(f"w{i}", array.shape, array) for i, array in enumerate(arrays)]
    return LayerEntry(name, tuple(weights), attributes)


def write(path: Path, *entries: LayerEntry, mean: np.ndarray | None = None, **texts: str):
    return write_weights(path, entries, attributes=lambda: {"made": "by"}, texts=texts, mean=mean)


A, B = np.arange(12, dtype=np.float32).reshape(3, 4), np.ones(5, np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.h5"


def test_layout_is_that_of_keras(path):
    write(path, entry("b", A, B, caffe_name="b/1"), entry("a"), prototxt="text")
    with h5py.File(path) as file:
        assert list(file.attrs["layer_names"]) == [b"b", b"a"]
        assert list(file["b"].attrs["weight_names"]) == [b"w0", b"w1"]
        assert len(file["a"].attrs["weight_names"]) == 0
        np.testing.assert_array_equal(file["b/w0"], A)
        np.testing.assert_array_equal(file["b/w1"], B)
        assert file["b/w0"].dtype == np.float32
        assert file["b/w0"].chunks is None
        assert file["b"].attrs["caffe_name"] == b"b/1"
        assert file.attrs["made"] == b"by"


def test_reader(path):
    mean = np.arange(3.0)
    write(
        path, entry("b", A, B, caffe_blob_shapes="[[4, 3], [5]]"), entry("a"), mean=mean, note="x"
    )
    with WeightsFile(path) as file:
        assert list(file) == ["b"]
        assert len(file) == 1
        assert "b" in file
        assert "a" not in file
        assert file.weight_names("b") == ["w0", "w1"]
        assert file.shapes("b") == [(3, 4), (5,)]
        np.testing.assert_array_equal(file["b"][0], A)
        assert file.attributes()["made"] == "by"
        assert file.caffe_shapes("b") == [(4, 3), (5,)]
        np.testing.assert_array_equal(file.mean(), mean)
        assert file.text("note") == "x"
        assert file.text("other") is None
        with pytest.raises(KeyError):
            file["a"]


def test_odd_shapes(path):
    scalar, empty = np.array(3, np.float32), np.zeros((0, 2), np.float32)
    write(path, entry("x", scalar, empty, B))
    with WeightsFile(path) as file:
        assert file.shapes("x") == [(), (0, 2), (5,)]
        assert file["x"][0] == 3
        assert file.mean() is None


def test_layers_may_have_any_name(path):
    names = ["mean", "prototxt", "model_weights", "optimizer_weights", "layer_names", "a.b", "1-2"]
    entries = [entry(name, B + i) for i, name in enumerate(names)]
    write(path, *entries, mean=np.zeros(3), prototxt="text")
    with WeightsFile(path) as file:
        assert list(file) == names
        for i, name in enumerate(names):
            np.testing.assert_array_equal(file[name][0], B + i)
        assert file.text("prototxt") == "text"
        assert file.mean().shape == (3,)


def test_two_layers_of_one_name_are_refused(path):
    with pytest.raises(WeightsError, match="two layers would be stored as 'fc-conv'"):
        write(path, entry("fc-conv", A), entry("b", B), entry("fc-conv", A))
    assert not path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("count", [1000, pytest.param(4000, marks=pytest.mark.slow)])
def test_more_than_64_kib_of_names(path, count):
    names = [f"a_layer_with_a_long_name_{i:05}" for i in range(count)]
    weights = tuple(KerasWeight(name, (1,), B[:1]) for name in names)
    write(path, *(entry(name, B[:1]) for name in names), LayerEntry("many", weights))
    with h5py.File(path) as file:
        total = sum(len(name) for name in names)
        assert ("layer_names" in file.attrs) == (total < 60_000)
        assert ("layer_names1" in file.attrs) == (total > 60_000)
    with WeightsFile(path) as file:
        assert list(file) == [*names, "many"]
        assert file.weight_names("many") == names


@pytest.mark.slow
def test_keras_reads_names_in_pieces_as_we_do(path):
    from keras.src.legacy.saving.legacy_h5_format import load_attributes_from_hdf5_group

    names = [f"a_layer_with_a_long_name_{i:05}" for i in range(4000)]
    write(path, *(entry(name) for name in names))
    with h5py.File(path) as file:
        assert load_attributes_from_hdf5_group(file, "layer_names") == names


def test_nan_is_reported_with_layer_and_weight(path):
    bad = A.copy()
    bad[1, 2] = np.nan
    assert write(path, entry("a", A, B), entry("b", B, bad)) == ["b/w1"]


def test_name_that_keras_reserves_is_refused(tmp_path):
    with pytest.raises(
        WeightsError, match=r"refuses to load it by name; use a name such as net.h5"
    ):
        write(tmp_path / "net.weights.h5", entry("a", A))


def test_kind_of_a_file(path, tmp_path):
    write(path)
    with open_weights(path) as file:
        assert isinstance(file, WeightsFile)
        with open_weights(file) as same:
            assert same is file
        assert file.attributes()["made"] == "by"  # open still
    for other in (__file__, tmp_path / "none", tmp_path):
        with pytest.raises(WeightsError), open_weights(other):
            pass


def test_whole_legacy_keras_models_are_read(path):
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"dense"]
        layer = group.create_group("dense")
        layer.attrs["weight_names"] = [b"dense/kernel:0"]
        layer["dense/kernel:0"] = A
    with WeightsFile(path) as file:
        np.testing.assert_array_equal(file["dense"][0], A)


def _file_with(path: Path, **content: object) -> None:
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            if name.startswith("attr_"):
                file.attrs[name[5:]] = value
            else:
                file.create_group(name).attrs["weight_names"] = value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "has no 'layer_names': it is not a by-name weights file. Make one with keras-fcn"),
        ({"attr_layer_names": [b"a"]}, "layer 'a' is listed but not stored"),
        ({"attr_layer_names": [b"a"], "a": [b"w"]}, "a/w is not stored"),
    ],
)
def test_other_hdf5_files(path, content, message):
    _file_with(path, **content)
    with pytest.raises(WeightsError, match=message) as caught, WeightsFile(path) as file:
        file.shapes("a")
    assert str(path) in str(caught.value)


def test_links_out_of_the_file_are_not_followed(path, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(48))
    _file_with(path, attr_layer_names=[b"a"], a=[b"w"])
    with h5py.File(path, "r+") as file:
        file.create_dataset("a/w", (3, 4), "f4", external=[(str(tmp_path / "secret"), 0, 48)])
    with (
        pytest.raises(WeightsError, match="a/w is not stored in the file"),
        WeightsFile(path) as file,
    ):
        file["a"]


@pytest.mark.parametrize("damage", ["missing", "folder", "text", "cut"])
def test_files_that_are_not_hdf5(path, damage):
    if damage == "folder":
        path.mkdir()
    elif damage == "text":
        path.write_text("<html>")
    elif damage == "cut":
        write(path, entry("a", A))
        path.write_bytes(path.read_bytes()[:1500])
    as_what = " as HDF5" if damage in ("text", "cut") else ""
    with pytest.raises(WeightsError, match=f"cannot read {path}{as_what}: "):
        WeightsFile(path)


def test_file_is_closed_after_an_error(path):
    _file_with(path, attr_layer_names=[b"a"])
    with pytest.raises(WeightsError):
        WeightsFile(path)
    with h5py.File(path, "r+") as file:  # refused while another handle is open
        file.attrs["x"] = 1


def test_written_file_has_no_gaps(path):
    big = np.arange(100_000, dtype=np.float32)
    write(path, entry("a", big), prototxt="x" * 50_000)
    assert path.stat().st_size < big.nbytes + 70_000
