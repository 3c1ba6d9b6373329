"""A weights file is opened once, whatever is done with it, and closed when that is done."""

from __future__ import annotations

import gc
import gzip
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest

import convert
import keras_fcn
from convert import surgery
from keras_fcn.caffe.blobs.weights import open_weights
from keras_fcn.caffe.io.hdf5_input import Hdf5File
from keras_fcn.caffe.io.source import SourceFile
from keras_fcn.caffe.net.contents import read_contents
from keras_fcn.published import identify
from tests.keras_fcn.models.classifiers import lenet

OPENED: Counter[str] | None = None


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and OPENED is not None and isinstance(arguments[0], str | os.PathLike):
        OPENED[os.fspath(arguments[0])] += 1


sys.addaudithook(_watch)  # it stays as long as the process


@pytest.fixture
def opened(monkeypatch):
    """Path -> how often Python opened it; of the HDF5 library ``hdf5:`` and the path."""
    counts: Counter[str] = Counter()
    init = h5py.File.__init__

    def counted(self, name, *arguments, **options):
        if isinstance(name, str | os.PathLike):
            counts[f"hdf5:{os.fspath(name)}"] += 1
        init(self, name, *arguments, **options)

    monkeypatch.setattr(h5py.File, "__init__", counted)
    monkeypatch.setattr(sys.modules[__name__], "OPENED", counts)
    return counts


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """LeNet in every form of file."""
    folder = tmp_path_factory.mktemp("lenet")
    prototxt, caffemodel = folder / "net.prototxt", folder / "net.caffemodel"
    prototxt.write_text(lenet(28))
    rng = np.random.default_rng(0)
    weights = {
        layer.name: [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
        for layer in convert.load_network(prototxt).layers
        if (shapes := layer.weight_shapes)
    }
    convert.write_caffemodel(caffemodel, prototxt, weights)
    (folder / "net.caffemodel.gz").write_bytes(gzip.compress(caffemodel.read_bytes(), 1))
    convert.convert(prototxt, caffemodel, folder / "net.h5")
    with h5py.File(folder / "net.caffemodel.h5", "w") as file:
        for name, blobs in weights.items():
            for index, blob in enumerate(blobs):
                file[f"data/{name}/{index}"] = blob
    return folder


FORMS = ["net.caffemodel", "net.caffemodel.gz", "net.caffemodel.h5", "net.h5"]
BINARY = FORMS[:2]
WORK = {
    "from_caffe": (lambda net, path: keras_fcn.from_caffe(net, path), FORMS),
    "load_weights": (
        lambda net, path: keras_fcn.load_weights(keras_fcn.LeNet(), path), [*BINARY, "net.h5"],
    ),
    "a constructor": (lambda net, path: keras_fcn.LeNet(weights=path), [*BINARY, "net.h5"]),
    "convert": (lambda net, path: convert.convert(net, path, path.parent / "x.h5"), FORMS[:3]),
    "list_layers": (lambda net, path: convert.list_layers(path, net), FORMS[:3]),
    "load_weights, lazily": (lambda net, path: list(convert.load_weights(path)), FORMS[:3]),
    "surgery": (lambda net, path: dict(surgery.open_net(net, path).params), FORMS),
    "inspect": (lambda net, path: read_contents(str(path)), FORMS),
    "inspect with the prototxt": (
        lambda net, path: read_contents(str(net), str(path)), FORMS[:3],
    ),
    "identify": (lambda net, path: identify(path), FORMS),
}  # fmt: skip
CASES = [(kind, form) for kind, (_, forms) in WORK.items() for form in forms]


@pytest.mark.sweep(3)
@pytest.mark.parametrize(("kind", "form"), CASES)
def test_a_file_is_opened_once(folder, opened, kind, form):
    WORK[kind][0](folder / "net.prototxt", folder / form)
    path = str(folder / form)
    assert opened[path] == 1
    assert opened[f"hdf5:{path}"] == form.endswith(".h5")


@pytest.mark.parametrize("arguments", [("net.prototxt",), ()])
def test_the_command_line_opens_a_file_once(folder, opened, arguments, capsys):
    from convert.__main__ import main

    paths = [str(folder / name) for name in (*arguments, "net.caffemodel")]
    assert main([*paths, "-o", str(folder / "y.h5")]) == 0
    assert opened[paths[-1]] == 1


def test_gzipped_weights_are_unpacked_once(folder, monkeypatch):
    unpacked = []
    temporary = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: unpacked.append(1) or temporary())
    keras_fcn.from_caffe(folder / "net.prototxt", folder / "net.caffemodel.gz")
    assert unpacked == [1]


@pytest.mark.parametrize("form", ["net.caffemodel.h5", "net.h5"])
def test_numbers_are_read_once(folder, monkeypatch, form):
    read = Counter()
    get = h5py.Dataset.__getitem__

    def counted(self, *arguments):
        read[self.name] += 1
        return get(self, *arguments)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    keras_fcn.from_caffe(folder / "net.prototxt", folder / form)
    assert len(read) >= 8
    assert set(read.values()) == {1}


def held() -> set[str]:
    """The files that this process has open or mapped."""
    gc.collect()
    handles = Path("/proc/self/fd")
    opened = {os.readlink(x) for x in handles.iterdir() if x.is_symlink() and os.path.lexists(x)}
    mapped = Path("/proc/self/maps").read_text().splitlines()
    return opened | {line.split(maxsplit=5)[-1] for line in mapped}


@pytest.mark.sweep(4)
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="tells by Linux' /proc")
@pytest.mark.parametrize("form", FORMS)
def test_nothing_stays_open(folder, monkeypatch, form):
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with open_weights(folder / form):
        assert any(str(folder) in path for path in held())
    model = keras_fcn.from_caffe(folder / "net.prototxt", folder / form)
    assert not [path for path in held() if str(folder) in path]
    with pytest.raises(convert.CaffeError):
        keras_fcn.from_caffe(folder / "net.prototxt", folder / form, rename={"x": "y"})
    assert not [path for path in held() if str(folder) in path]
    assert model.count_params()


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_replaced_is_read_as_it_was(folder, tmp_path, form):
    prototxt, path = folder / "net.prototxt", tmp_path / form
    path.write_bytes((folder / form).read_bytes())
    wanted = keras_fcn.from_caffe(prototxt, path).get_weights()
    with open_weights(path) as weights:
        (tmp_path / "new").write_bytes(b"<html>")
        (tmp_path / "new").replace(path)
        found = keras_fcn.from_caffe(prototxt, weights).get_weights()
    for array, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(array, other)


def test_a_file_that_is_replaced_while_it_is_opened(folder, tmp_path):
    path = tmp_path / "net.h5"
    path.write_bytes((folder / "net.h5").read_bytes())
    with SourceFile(path) as source:
        path.unlink()
        path.write_bytes((folder / "net.h5").read_bytes())
        with pytest.raises(convert.WeightsError, match=f"^{path} was replaced while it was opened"):
            Hdf5File(source)
