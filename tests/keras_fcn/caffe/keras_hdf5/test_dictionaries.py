"""Weights as NumPy's own files."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.blobs.weights import open_weights
from tests.golden import layer_case


@pytest.fixture
def lenet(tmp_path):
    case = layer_case("graph_lenet")
    for ending in ("h5", "npz", "npy"):
        convert.convert(case.prototxt, case.weights, tmp_path / f"net.{ending}")
    return case, tmp_path


def test_an_archive_holds_the_arrays_of_the_hdf5_file(lenet):
    _, folder = lenet
    with np.load(folder / "net.npz") as arrays, open_weights(folder / "net.h5") as file:
        for layer in file:
            names = [f"{layer}/weights", f"{layer}/biases"][: len(file[layer])]
            for name, expected in zip(names, file[layer], strict=True):
                np.testing.assert_array_equal(arrays[name], expected)
        assert {x.rpartition("/")[0] for x in arrays if "/" in x} == set(file)


def test_a_dictionary_is_what_the_articles_load(lenet):
    _, folder = lenet
    found = np.load(folder / "net.npy", allow_pickle=True).item()
    with np.load(folder / "net.npz") as arrays:
        for layer, own in found.items():
            assert set(own) == {"weights", "biases"}
            for name, array in own.items():
                assert type(array) is np.ndarray
                np.testing.assert_array_equal(array, arrays[f"{layer}/{name}"])


def test_both_files_are_told_alike(lenet):
    _, folder = lenet
    with open_weights(folder / "net.npz") as ours, open_weights(folder / "net.h5") as theirs:
        assert list(ours) == list(theirs)
        told = theirs.attributes()
        assert ours.attributes() == {key: told[key] for key in ours.attributes()}
        assert told["source_sha256"] == ours.attributes()["source_sha256"]
        assert ours.text("prototxt") == theirs.text("prototxt")
        assert ours.blob_shapes() == theirs.blob_shapes()
        for name in ours:
            assert ours.shapes(name) == theirs.shapes(name)
            assert ours.weight_names(name) == theirs.weight_names(name)


@pytest.mark.parametrize("name", ["graph_lenet", "bn_scale_fraction", "scale_bias", "prelu"])
def test_an_archive_loads_as_the_hdf5_file_does(name, tmp_path):
    case = layer_case(name)
    path = tmp_path / "net.npz"
    convert.convert(case.prototxt, case.weights, path)
    expected = keras_fcn.from_caffe(case.prototxt, case.weights)
    read = keras_fcn.from_caffe(case.prototxt, path)
    loaded = keras_fcn.from_caffe(case.prototxt)
    report = keras_fcn.load_weights(loaded, path)
    assert not report.missing
    assert not report.unexpected
    for model in (read, loaded):
        for ours, theirs in zip(model.weights, expected.weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_an_archive_of_ones_own_loads(tmp_path):
    model = keras_fcn.LeNet()
    held = {}
    for layer in model.layers:
        for name, weight in reversed([*zip(("weights", "biases"), layer.weights, strict=False)]):
            held[f"{layer.name}/{name}"] = np.asarray(weight)  # in any order
    np.savez_compressed(tmp_path / "own.npz", **held)
    other = keras_fcn.LeNet()
    keras_fcn.load_weights(other, tmp_path / "own.npz")
    for ours, theirs in zip(other.weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_missing_and_unexpected_layers_are_reported(tmp_path):
    model = keras_fcn.LeNet()
    kernel, bias = model.get_layer("conv1").get_weights()
    path = tmp_path / "part.npz"
    np.savez(path, **{"conv1/weights": kernel, "conv1/biases": bias, "other/weights": kernel})
    with pytest.raises(convert.WeightsError, match="nothing was loaded"):
        keras_fcn.load_weights(model, path)
    report = keras_fcn.load_weights(model, path, strict=False)
    assert report.loaded == ("conv1",)
    assert report.unexpected == ("other",)
    assert "ip1" in report.missing


class _Trap:
    def __reduce__(self):
        return pytest.fail, ("unpickled",)


def _npz(path, **arrays):
    np.savez(path, **{name.replace("__", "/"): x for name, x in arrays.items()})


def _header_of(size):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f4", "fortran_order": False, "shape": (size,)}
    )
    return file.getvalue()


def _zip(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: _npz(p, conv__weights=np.array([_Trap()], object)), "is pickled"),
        (lambda p: _npz(p, conv__weights=np.array(["a"])), "not real numbers"),
        (lambda p: _npz(p, weights=np.ones(3)), "holds arrays layer/weights"),
        (lambda p: _zip(p, **{"x.txt": b"text"}), "a zip archive; unpack it first"),
        (
            lambda p: _zip(p, **{"a__b.npy": _header_of(0), "x.txt": b"text"}),
            "holds arrays layer/weights",
        ),
        (lambda p: _zip(p, **{"a__weights.npy": pickle.dumps(1)}), "cannot read .* as .npz"),
        (lambda p: _zip(p, **{"a__weights.npy": _header_of(1 << 40)}), "does not hold the"),
        (lambda p: _zip(p, **{"a__weights.npy": bytes(64 << 20)}), "declares more than"),
        (lambda p: p.write_bytes(b"PK\x03\x04" + bytes(100)), "a zip archive"),
    ],
)
def test_other_and_damaged_archives_are_refused(write, message, tmp_path):
    path = tmp_path / "bad.npz"
    write(path)
    with pytest.raises(convert.WeightsError, match=message), open_weights(path) as file:
        [file[name] for name in file]


def test_a_cut_archive_is_refused(lenet):
    _, folder = lenet
    data = (folder / "net.npz").read_bytes()
    for size in (10, 1000, len(data) // 2, len(data) - 1):
        (folder / "cut.npz").write_bytes(data[:size])
        with pytest.raises(convert.WeightsError), open_weights(folder / "cut.npz"):
            pass
    broken = bytearray(data)
    broken[len(data) // 2] ^= 255
    (folder / "cut.npz").write_bytes(broken)
    with pytest.raises(convert.WeightsError), open_weights(folder / "cut.npz") as file:
        [file[name] for name in file]


def test_a_pickled_dictionary_is_not_read(lenet):
    case, folder = lenet
    with pytest.raises(convert.CaffeError):
        keras_fcn.from_caffe(case.prototxt, folder / "net.npy")
