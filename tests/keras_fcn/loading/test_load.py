"""keras_fcn.load: one model from each of its forms, with what is known of it."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe.errors import CaffeError
from keras_fcn.core.card import SAVED_MODEL_CARD, Card, Source, update_card
from keras_fcn.core.loaded import origin
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.classes import Classes
from keras_fcn.preprocessing.tiles import Tiles
from keras_fcn.published import published
from keras_fcn.published.entries import PublishedModel, RemoteFile
from tests.keras_fcn.published import small_net

X = np.random.default_rng(0).random((2, 28, 28, 1), np.float32)
MEAN = np.full((1, 28, 28), 9.0, np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A LeNet of ten classes: prototxt, caffemodel, converted with a mean; and its outputs."""
    folder = tmp_path_factory.mktemp("net")
    prototxt, caffemodel = map(Path, small_net.write(folder))
    np.save(folder / "mean.npy", MEAN)
    convert.convert(prototxt, caffemodel, folder / "net.h5", mean=folder / "mean.npy")
    convert.convert(None, caffemodel, folder / "plain.h5")
    expected = keras_fcn.from_caffe(prototxt, caffemodel).predict(X, verbose=0)
    return prototxt, caffemodel, folder / "net.h5", expected


def same(model, expected):
    np.testing.assert_allclose(model.predict(X, verbose=0), expected, atol=1e-6)
    return model


def test_a_prototxt_with_weights(files):
    prototxt, caffemodel, converted, expected = files
    model = keras_fcn.load(prototxt, caffemodel)
    assert {origin(layer) for layer in model.layers if layer.weights} == {str(caffemodel)}
    sha256 = hashlib.sha256(caffemodel.read_bytes()).hexdigest()
    for weights in (caffemodel, str(converted)):
        card = same(keras_fcn.load(prototxt, weights), expected).card
        assert card.source == Source(caffemodel.name, sha256)
    assert card.preprocessing.mean.max() == 9


def test_a_prototxt_alone_and_how_it_is_read(files):
    model = keras_fcn.load(str(files[0]), seed=3, outputs=["ip1"])
    assert model.card.source is None
    assert origin(model.get_layer("conv1")) == ""
    again = keras_fcn.from_caffe(files[0], seed=3, outputs=["ip1"])
    np.testing.assert_array_equal(model.predict(X, verbose=0), again.predict(X, verbose=0))


def test_weights_that_carry_their_network(files):
    _, caffemodel, converted, expected = files
    for path in (caffemodel, converted, str(converted.with_name("plain.h5"))):
        model = keras_fcn.load(path)
        same(model, expected)
        assert model.card.source.file == caffemodel.name
        assert list(model.card.inputs.values()) == ["data"]
    cut = keras_fcn.load(caffemodel, outputs=["ip1"])
    assert cut.output_shape[-1] == 500


def test_names_of_the_zoo(files):
    for name in ("lenet", "LeNet"):
        model = keras_fcn.load(name, files[1])
        same(model, files[3])
        assert model.output_shape == (None, 10)
    assert keras_fcn.load("lenet").output_shape == (None, 10)
    assert keras_fcn.load("LeNet").card.source is None


@pytest.fixture
def known(files, monkeypatch):
    weights = files[1].read_bytes()
    entry = PublishedModel(
        "known",
        "known",
        constructor="LeNet",
        options={"classes": 10},
        weights=RemoteFile((), len(weights), {"sha1": hashlib.sha1(weights).hexdigest()}),
        mean=(7.0,),
        input=(28, 28),
    )
    monkeypatch.setitem(published(), "known", entry)
    return entry


def test_weights_are_recognised_by_their_hash(files, known, tmp_path):
    """By whatever way they come, and whatever their name."""
    prototxt, caffemodel, _, expected = files
    copy = tmp_path / "something.caffemodel"
    copy.write_bytes(caffemodel.read_bytes())
    by_file = keras_fcn.load(copy)
    assert by_file.name == "lenet"  # the constructor's
    for model in (
        by_file,
        keras_fcn.load("lenet", copy),
        keras_fcn.load(prototxt, copy),
        keras_fcn.from_caffe(prototxt, copy),
        keras_fcn.LeNet(weights=copy),
    ):
        same(model, expected)
        assert model.card.preprocessing.mean == (7.0,)
        assert model.card.source.file == "something.caffemodel"
        assert model.card.source.published == "known"


def test_a_published_name(files, known, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_FCN_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "known.caffemodel").write_bytes(files[1].read_bytes())
    model = same(keras_fcn.load("known"), files[3])
    assert model.card.preprocessing.mean == (7.0,)
    same(keras_fcn.load(files[0], "known"), files[3])


def test_features_of_published_weights_have_their_preparation(files, known):
    model = keras_fcn.load(files[0], files[1], outputs=["ip1"])
    assert model.card.preprocessing.mean == (7.0,)
    assert model.card.classes is None


FULL = Card(
    "net",
    blobs={"data": ("data", 0)},
    preprocessing=Preprocessing(channels=1, mean=MEAN.transpose(1, 2, 0)),
    classes=Classes(tuple("abcdefghij")),
    tiles=Tiles((28, 28), 2, 1),
    size=(28, 28),
    source=Source("net.caffemodel"),
)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning")
@pytest.mark.parametrize("name", ["net.keras", "net.h5"])
def test_files_of_keras(files, tmp_path, name):
    model = keras_fcn.load(files[0], files[1])
    update_card(model, classes=FULL.classes)
    model.save(tmp_path / name)
    again = same(keras_fcn.load(tmp_path / name), files[3])
    assert again.card == model.card


@pytest.mark.slow
def test_a_saved_model_keeps_what_it_is_for(files, tmp_path):
    model = keras_fcn.load(files[0], files[1])
    model.card = FULL
    keras_fcn.export(model, tmp_path / "served")
    again = same(keras_fcn.load(tmp_path / "served"), files[3])
    assert again.card == FULL.for_export()
    image = np.random.default_rng(1).integers(0, 256, (28, 28, 1), dtype=np.uint8)
    update_card(again, tiles=None)
    update_card(model, tiles=None)
    np.testing.assert_allclose(
        keras_fcn.predict(again, image), keras_fcn.predict(model, image), atol=1e-6
    )
    (tmp_path / "served" / SAVED_MODEL_CARD).write_text("{")
    with pytest.raises(ValueError, match=r"keras_fcn_card\.json is no card"):
        keras_fcn.load(tmp_path / "served")
    (tmp_path / "served" / SAVED_MODEL_CARD).write_text(json.dumps({"tiles": {"size": 3}}))
    with pytest.raises(ValueError, match=r"keras_fcn_card\.json is no card"):
        keras_fcn.load(tmp_path / "served")


def test_other_weights_for_a_file_of_keras(files, tmp_path):
    keras_fcn.LeNet().save(tmp_path / "net.keras")
    same(keras_fcn.load(tmp_path / "net.keras", files[1]), files[3])


def test_weights_without_a_network(files, tmp_path):
    keras_fcn.LeNet().save_weights(tmp_path / "net.weights.h5")
    with pytest.raises(CaffeError, match=r"net\.weights\.h5"):
        keras_fcn.load(tmp_path / "net.weights.h5")
    (tmp_path / "only.caffemodel").write_bytes(b"")
    with pytest.raises(CaffeError, match=r"only\.caffemodel is empty"):
        keras_fcn.load(tmp_path / "only.caffemodel")
    with pytest.raises(ValueError, match="a prototxt, or weights that carry"):
        keras_fcn.from_caffe(None)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("caffenett",), ValueError, "the model is one of.*did you mean 'caffenet'.*caffenett"),
        (("absent.prototxt",), FileNotFoundError, "no such file"),
        (("absent.caffemodel",), FileNotFoundError, "no such file"),
        ((Path("caffenet"),), ValueError, "the model is one of"),
        (("{folder}",), FileNotFoundError, "a folder, but no SavedModel"),
        (("lenet", "absent.h5"), FileNotFoundError, "no such file"),
        (("lenet", "fcn8s-heavy-pascl"), ValueError, "did you mean 'fcn8s-heavy-pascal'"),
        (("lenet", "{folder}"), IsADirectoryError, "name its files"),
        (("{caffemodel}", "{caffemodel}"), ValueError, "a weights file, to be loaded alone"),
    ],
)
def test_refused(files, arguments, error, message):
    names = {"folder": files[0].parent, "caffemodel": files[1]}
    filled = [x if isinstance(x, Path) else x.format(**names) for x in arguments]
    with pytest.raises(error, match=message):
        keras_fcn.load(*filled)


def test_how_a_prototxt_is_read_is_for_caffe(tmp_path):
    keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]).save(tmp_path / "net.keras")
    for model in ("lenet", tmp_path / "net.keras"):
        with pytest.raises(ValueError, match="phase, stages: for a prototxt only"):
            keras_fcn.load(model, phase="TRAIN", stages=("a",))


def rewritten(path, edit):
    """A copy of a .keras file whose members went through an edit; those of None are left out."""
    copy = path.with_name("other.keras")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            if (data := edit(name, old.read(name))) is not None:
                new.writestr(name, data)
    return copy.read_bytes()


DAMAGED = {
    "empty": lambda path: b"",
    "end missing": lambda path: path.read_bytes()[:-200],
    "no config": lambda path: rewritten(path, lambda n, x: None if n == "config.json" else x),
    "no weights": lambda path: rewritten(path, lambda n, x: None if "weights" in n else x),
    "no JSON": lambda path: rewritten(path, lambda n, x: b"{" if n == "config.json" else x),
    "no layer": lambda path: rewritten(path, lambda n, x: x.replace(b"Dense", b"Dens")),
    "weights": lambda path: rewritten(path, lambda n, x: x[:99] if "weights" in n else x),
    "card": lambda path: rewritten(path, lambda n, x: x.replace(b'"TRAIN"', b"[5]")),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_of_keras_is_named_in_one_line(damage, tmp_path):
    path = tmp_path / "net.keras"
    x = keras.Input((1,))
    model = CaffeFunctional(x, keras.layers.Dense(1)(x), card=Card(phase="TRAIN"))
    model.save(path)
    path.write_bytes(DAMAGED[damage](path))
    with pytest.raises(CaffeError, match=r"net\.keras") as caught:
        keras_fcn.load(path)
    assert "\n" not in str(caught.value)


def test_a_damaged_saved_model_is_named_in_one_line(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"junk")
    with pytest.raises(CaffeError, match=r"cannot load the SavedModel .*corrupt"):
        keras_fcn.load(tmp_path)


def test_weights_by_the_ending_of_other_systems(files, tmp_path):
    shutil.copy(files[1], tmp_path / "NET.CAFFEMODEL")
    same(keras_fcn.load(tmp_path / "NET.CAFFEMODEL"), files[3])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nosuch.keras", None, "no such file"),
        ("nosuch.onnx", None, "no such file"),
        ("age.onnx", b"text", "age.onnx is an ONNX file .*inference. runs it., no model"),
        (
            "age.tflite",
            b"text",
            "a LiteRT file, which .* runs, no model; give a name that .keras-fcn m",
        ),
        ("age.PT", b"text", "age.PT is a file of PyTorch, no model"),
        ("cat.jpg", b"text", "cat.jpg is a picture, no model"),
        ("saved_model.pb", b"text", "of a SavedModel its folder is the model"),
        ("net.odd", b"\x08\x00\x12", "net.odd is a binary file of no known ending, no model"),
    ],
)
def test_what_is_no_model_is_said(name, content, message, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises((OSError, ValueError), match=message):
        keras_fcn.load(tmp_path / name)
