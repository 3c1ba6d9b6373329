"""Weights under other names, gzipped, and from training nets, in a Keras model."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.net.contents import read_contents
from tests.golden import layer_case

CASE = layer_case("weights_hdf5")


def flat(model) -> dict[str, list[np.ndarray]]:
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def same(actual, wanted) -> None:
    for name, arrays in wanted.items():
        for array, want in zip(actual[name], arrays, strict=True):
            np.testing.assert_array_equal(array, want)


@pytest.fixture
def wanted():
    return flat(keras_fcn.from_caffe(CASE.prototxt, CASE.weights))


@pytest.fixture
def renamed(tmp_path: Path, wanted):
    """A prototxt whose layers with weights have other names, and the names."""
    text = CASE.prototxt.read_text()
    new = {old: f"new/{old}" for old in wanted}
    for old in new:
        assert text.count(f'name: "{old}"') == 1
        text = text.replace(f'name: "{old}"', f'name: "new/{old}"')
    (tmp_path / "net.prototxt").write_text(text)
    return tmp_path / "net.prototxt", new


def test_from_caffe(renamed, wanted):
    prototxt, new = renamed
    weights = flat(keras_fcn.from_caffe(prototxt, CASE.weights, rename=new))
    same(weights, {f"new_{name}": arrays for name, arrays in wanted.items()})
    with pytest.raises(convert.WeightsError, match="no layer 'x' to rename"):
        keras_fcn.from_caffe(prototxt, CASE.weights, rename={"x": "y"})


@pytest.mark.filterwarnings("ignore::keras_fcn.caffe.errors.CaffeWarning")
def test_load_weights(renamed, wanted, tmp_path):
    prototxt, new = renamed
    converted = tmp_path / "net.h5"
    convert.convert(CASE.prototxt, CASE.weights, converted)
    keras_names = {old: f"new_{old}" for old in new}
    for path, rename in ((CASE.weights, new), (converted, keras_names)):
        model = keras_fcn.from_caffe(prototxt)
        with pytest.raises(convert.WeightsError, match="fits no layer"):
            keras_fcn.load_weights(model, path)
        report = keras_fcn.load_weights(model, path, rename=rename)
        assert set(report.loaded) == set(keras_names.values())
        same(flat(model), {keras_names[name]: arrays for name, arrays in wanted.items()})
        with pytest.raises(convert.WeightsError, match=f"^{path}: no layer 'x' to rename"):
            keras_fcn.load_weights(model, path, rename={"x": "y"})


def test_converters_file_in_from_caffe(renamed, wanted, tmp_path):
    prototxt, new = renamed
    convert.convert(CASE.prototxt, CASE.weights, tmp_path / "net.h5")
    rename = {old: f"new_{old}" for old in new}
    model = keras_fcn.from_caffe(prototxt, tmp_path / "net.h5", rename=rename)
    same(flat(model), {rename[name]: arrays for name, arrays in wanted.items()})


def test_gzipped(wanted, tmp_path):
    path = tmp_path / "net.caffemodel.gz"
    path.write_bytes(gzip.compress(CASE.weights.read_bytes()))
    same(flat(keras_fcn.from_caffe(CASE.prototxt, path)), wanted)


def test_fork_field_warns_and_changes_nothing(wanted, tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(f"fork: 1\n{CASE.prototxt.read_text()}")
    with pytest.warns(convert.CaffeWarning, match=f"^{path}:1: .* it is passed over$"):
        model = keras_fcn.from_caffe(path, CASE.weights)
    same(flat(model), wanted)


def test_inspect_of_a_gzipped_file(tmp_path):
    path = tmp_path / "net.caffemodel.gz"
    path.write_bytes(gzip.compress(CASE.weights.read_bytes()))
    assert read_contents(str(path)).params == read_contents(str(CASE.weights)).params
