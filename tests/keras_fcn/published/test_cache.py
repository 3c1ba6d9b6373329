"""Weights by name: fetched, proved, converted once, and then there without a network."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.caffe.keras_hdf5 import writing as hdf5
from keras_fcn.inference.prediction import model_preprocessing
from keras_fcn.published import fetch, home, identify, published, weights_path
from keras_fcn.published.entries import RemoteFile

IMAGE = np.random.default_rng(1).integers(0, 256, (28, 28, 1), dtype=np.uint8)


def unreachable(name, monkeypatch):
    """Leave an entry with an address where nothing listens."""
    entry = published()[name]
    weights = dataclasses.replace(entry.weights, urls=("http://127.0.0.1:9/small",))
    monkeypatch.setitem(published(), name, dataclasses.replace(entry, weights=weights))


def test_home(monkeypatch):
    monkeypatch.delenv("KERAS_FCN_HOME", raising=False)
    assert home() == Path.home() / ".cache" / "keras-fcn"
    monkeypatch.setenv("KERAS_FCN_HOME", "~/elsewhere")
    assert home() == Path.home() / "elsewhere"


def test_a_name_is_fetched_and_converted_once(small):
    models = [keras_fcn.LeNet(weights=small.name) for _ in range(2)]
    assert small.given.requests == [None]
    own = keras_fcn.LeNet(weights=small.caffemodel)
    for model in models:
        for ours, theirs in zip(model.get_weights(), own.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert sorted(path.name for path in small.cached.parent.iterdir()) == [
        "small_lenet.caffemodel",
        "small_lenet.h5",
        "small_lenet.lock",
    ]


def test_a_prototxt_takes_weights_by_name(small):
    model = keras_fcn.from_caffe(small.prototxt, small.name)
    own = keras_fcn.from_caffe(small.prototxt, small.caffemodel)
    batch = np.random.default_rng(2).normal(size=(1, 28, 28, 1)).astype(np.float32)
    np.testing.assert_array_equal(model.predict(batch), own.predict(batch))


def test_the_model_carries_the_registrys_preprocessing(small):
    for model in (
        keras_fcn.LeNet(weights=small.name),
        keras_fcn.from_caffe(small.prototxt, small.name),
        keras_fcn.from_caffe(small.prototxt, weights_path(small.name)),
    ):
        own = model_preprocessing(model)
        assert (own.mean, own.input_scale, own.channels) == ((7.0,), 0.5, 1)
        expected = model.predict((IMAGE[np.newaxis] - np.float32(7)) * np.float32(0.5))[0]
        np.testing.assert_allclose(keras_fcn.predict(model, IMAGE), expected, rtol=1e-5)


def test_without_a_network_a_filled_cache_is_enough(small, monkeypatch):
    unreachable(small.name, monkeypatch)
    small.cached.parent.mkdir(parents=True)
    shutil.copy(small.caffemodel, small.cached)
    assert fetch(small.name) == small.cached
    keras_fcn.LeNet(weights=small.name)
    small.cached.unlink()
    keras_fcn.LeNet(weights=small.name)  # the converted file alone


def test_without_a_network_one_error_says_what_to_do(small, monkeypatch):
    unreachable(small.name, monkeypatch)
    for get in (fetch, lambda name: keras_fcn.LeNet(weights=name)):
        with pytest.raises(CaffeError) as caught:
            get(small.name)
        message = str(caught.value)
        assert "http://127.0.0.1:9/small: no connection" in message
        assert f"put it here, under this name: {small.cached}" in message
        assert "KERAS_FCN_HOME" in message
    assert not small.cached.exists()


def test_a_model_without_an_address(home):
    with pytest.raises(CaffeError, match="no address is known") as caught:
        fetch("mobilenet_ssd")
    assert str(home / "models" / "mobilenet_ssd.caffemodel") in str(caught.value)


@pytest.mark.parametrize(("change", "message"), [(b"", "1 bytes"), (b"x", "its sha256 is")])
def test_another_file_in_the_cache_is_refused_and_kept(change, message, small):
    small.cached.parent.mkdir(parents=True)
    body = small.caffemodel.read_bytes()
    small.cached.write_bytes(change + body[1:] if change else b"x")
    for get in (fetch, weights_path):
        with pytest.raises(CaffeError, match="is not the published small_lenet") as caught:
            get(small.name)
        assert message in str(caught.value)
    assert small.cached.exists()
    assert not small.given.requests


def test_what_an_older_version_converted_is_converted_anew(small, monkeypatch):
    converted = weights_path(small.name)
    before = converted.read_bytes()
    monkeypatch.setattr(hdf5, "FORMAT", hdf5.FORMAT + 1)
    assert weights_path(small.name) == converted
    assert converted.read_bytes() != before
    assert small.given.requests == [None]


def test_what_was_converted_from_another_file_is_converted_anew(small, tmp_path):
    converted = weights_path(small.name)
    other = tmp_path / "other.caffemodel"
    other.write_bytes(small.caffemodel.read_bytes())
    with other.open("ab") as file:
        file.write(b"\x0a\x03Any")  # the net's name once more, and another
    convert.convert(None, other, converted)
    assert identify(converted) is None
    weights_path(small.name)
    assert identify(converted).entry.name == small.name


@pytest.mark.parametrize(
    "bad",
    [{"body": b"<html>sign in</html>"}, {"status": 404}, {"drops": 100, "cut": 10}],
)
def test_nothing_half_is_ever_taken_for_the_file(bad, small, monkeypatch):
    monkeypatch.setattr("keras_fcn.published.download.time.sleep", lambda _: None)
    for name, value in bad.items():
        setattr(small.given, name, value)
    with pytest.raises(CaffeError, match="cannot download"):
        weights_path(small.name)
    assert not small.cached.exists()
    assert not small.cached.with_suffix(".h5").exists()


def test_a_file_of_the_name_goes_first(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(small.caffemodel, small.name)
    assert weights_path(small.name) == Path(small.name)
    keras_fcn.LeNet(weights=small.name)
    assert not small.given.requests


@pytest.mark.parametrize("name", ["small_lennet", "bvlc_cafenet", "nothing like it"])
def test_unknown_names_are_met_with_a_hint(name, small):
    with pytest.raises(ValueError, match="name of a published model") as caught:
        keras_fcn.LeNet(weights=name)
    assert str(caught.value).endswith(f"Received: {name!r}")
    assert ("did you mean 'small_lenet'" in str(caught.value)) == (name == "small_lennet")


@pytest.mark.parametrize("path", ["absent.h5", "absent.caffemodel", "folder/absent"])
def test_files_that_are_not_there_stay_files(path):
    with pytest.raises(CaffeError, match="cannot read"):
        keras_fcn.LeNet(weights=path)


def test_two_at_once_fetch_once(small, monkeypatch, capsys):
    import keras_fcn.published.cache as module

    started, go_on = threading.Event(), threading.Event()
    download = module.download

    def slow(*args, **kwargs):
        started.set()
        assert go_on.wait(10)
        download(*args, **kwargs)

    monkeypatch.setattr(module, "download", slow)
    paths = []
    first = threading.Thread(target=lambda: paths.append(fetch(small.name)))
    first.start()
    assert started.wait(10)
    second = threading.Thread(target=lambda: paths.append(fetch(small.name)))
    second.start()
    second.join(0.1)
    assert second.is_alive()
    go_on.set()
    first.join()
    second.join()
    assert paths == [small.cached] * 2
    assert small.given.requests == [None]
    assert "waiting for another process" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written(small, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_FCN_HOME", str(tmp_path / "file"))
    with pytest.raises(CaffeError, match="KERAS_FCN_HOME names another folder"):
        fetch(small.name)


def test_progress(small):
    seen = []
    fetch(small.name, progress=lambda *state: seen.append(state))
    size = small.caffemodel.stat().st_size
    assert seen[-1] == (size, size)


def test_no_hash_is_known(small, monkeypatch):
    entry = published()[small.name]
    bare = dataclasses.replace(entry, weights=RemoteFile(entry.weights.urls))
    monkeypatch.setitem(published(), small.name, bare)
    model = keras_fcn.LeNet(weights=small.name)
    assert model_preprocessing(model).mean == (7.0,)


@pytest.mark.slow
def test_the_registry_needs_no_keras():
    code = (
        "import sys, keras_fcn.published as r; r.published(); r.data_sets()\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
