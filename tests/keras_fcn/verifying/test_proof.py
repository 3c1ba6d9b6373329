"""What is proven, and what is not, of small networks whose layers have little rounding."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.errors import CaffeError

NET = """
name: "branches"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 9 dim: 11 } } }
layer { name: "a" type: "Convolution" bottom: "data" top: "a"
  convolution_param { num_output: 4 kernel_size: 3 %s } }
layer { name: "b" type: "Convolution" bottom: "data" top: "b"
  convolution_param { num_output: 2 kernel_size: 3 %s } }
layer { name: "out" type: "Concat" bottom: "a" bottom: "b" top: "out" }
"""
_DRAWN = 'weight_filler { type: "xavier" } bias_filler { type: "gaussian" std: 0.1 }'


@pytest.fixture
def branches(tmp_path):
    """A network, and its blobs."""
    (tmp_path / "net.prototxt").write_text(NET % (_DRAWN, _DRAWN))
    keras.utils.set_random_seed(2)
    model = keras_fcn.from_caffe(tmp_path / "net.prototxt")
    data = np.random.default_rng(0).normal(size=(1, 3, 9, 11)).astype(np.float32)
    return model, {"data": data} | keras_fcn.blobs(model, data)


def _verified(tmp_path, model, blobs):
    np.savez(tmp_path / "dump.npz", **blobs)
    return keras_fcn.verify(model, tmp_path / "dump.npz")


def test_a_layer_that_copies_has_no_noise_of_its_own(branches, tmp_path):
    model, blobs = branches
    assert _verified(tmp_path, model, blobs).exit_code == 0
    out = blobs["out"].copy()
    out.flat[5] += 1e-3
    report = _verified(tmp_path, model, blobs | {"out": out})
    assert (report.exit_code, report.first_departure.blob) == (1, "out")


def test_a_bias_that_was_changed_is_told_as_one(branches, tmp_path):
    model, blobs = branches
    b = blobs["b"] + np.float32(1e-2)
    changed = blobs | {"b": b, "out": np.concatenate([blobs["a"], b], axis=1)}
    report = _verified(tmp_path, model, changed)
    assert (report.exit_code, report.first_departure.blob) == (1, "b")
    assert report.cause.name == "other weights"  # not another mean: `a` reads the same images
    assert "its bias is up to 1.0e-02 away, its kernel the same" in report.verdict


def test_inputs_that_are_no_numbers_are_told(branches, tmp_path):
    model, blobs = branches
    with pytest.raises(CaffeError, match="input 'data' holds NaN or infinity"):
        _verified(tmp_path, model, blobs | {"data": np.full_like(blobs["data"], np.nan)})


def test_zeros_prove_nothing(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET % ("", ""))  # Caffe's fillers give 0
    report = keras_fcn.verify(keras_fcn.from_caffe(tmp_path / "net.prototxt"))
    assert (report.exit_code, report.first_departure) == (2, None)
    assert "all that was compared is 0 everywhere" in report.verdict
