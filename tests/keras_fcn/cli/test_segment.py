from __future__ import annotations

import dataclasses
import hashlib

import keras
import numpy as np
import pytest
from PIL import Image

import convert
import keras_fcn
from keras_fcn.core.card import update_card
from keras_fcn.preprocessing.images import load_image
from keras_fcn.published import data_set, published
from keras_fcn.published.entries import PublishedModel, RemoteFile
from keras_fcn.visualize import label_map

PROTOTXT = """
name: "Street"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 14 dim: 18 } } }
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param { num_output: 11 kernel_size: 7 stride: 2 } }
layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }
"""


@pytest.fixture
def street(tmp_path):
    """A net of eleven classes that sees a margin of three pixels, and an image."""
    prototxt, caffemodel = tmp_path / "street.prototxt", tmp_path / "street.caffemodel"
    prototxt.write_text(PROTOTXT)
    random = np.random.default_rng(0)
    score = [random.normal(0, 0.1, (11, 3, 7, 7)), np.zeros(11)]
    convert.write_caffemodel(caffemodel, prototxt, {"score": score})
    image = tmp_path / "street.png"
    Image.fromarray(random.integers(0, 256, (21, 33, 3), dtype=np.uint8)).save(image)
    return prototxt, caffemodel, image


@pytest.fixture
def known(street, monkeypatch):
    """The same net, published."""
    entry = PublishedModel(
        "small_street",
        "eleven classes",
        weights=RemoteFile(
            (), None, {"sha256": hashlib.sha256(street[1].read_bytes()).hexdigest()}
        ),
        dataset="camvid_dilation",
        input=(14, 18),
        mean=(100.0, 110.0, 120.0),
        tiles={"margin": 3, "zoom": 2},
    )
    monkeypatch.setitem(published(), entry.name, entry)
    return entry


def test_a_published_net_needs_no_constants(run, street, known, tmp_path):
    prototxt, caffemodel, image = street
    out, picture = tmp_path / "labels.png", tmp_path / "picture.png"
    outcome = run(
        *("segment", image, "--prototxt", prototxt, "--weights", caffemodel),
        *("-o", out, "--picture", picture),
    )
    assert outcome.status == 0, outcome
    model = keras_fcn.from_caffe(prototxt, caffemodel)
    update_card(model, preprocessing=known.preprocessing(), tiles=known.tiling())
    expected = keras_fcn.predict(model, image).argmax(axis=-1)
    colours = data_set("camvid_dilation").palette
    with Image.open(out) as written:
        assert written.mode == "P"
        np.testing.assert_array_equal(np.asarray(written), expected)
        np.testing.assert_array_equal(
            np.asarray(written.convert("RGB")), label_map(expected, colours)
        )
    np.testing.assert_array_equal(load_image(picture)[:21, :33], load_image(image))
    *shares, first, second = outcome.out.splitlines()
    assert (first, second) == (f"wrote {out}", f"wrote {picture}")
    best = np.bincount(expected.reshape(-1)).argmax()
    share = (expected == best).mean()
    name = data_set("camvid_dilation").classes[best]
    assert shares[0].split() == [f"{share:.2%}", str(best), name]


@pytest.mark.parametrize("kind", ["converted", "keras"])
def test_other_forms_give_the_same(kind, run, street, known, tmp_path):
    prototxt, caffemodel, image = street
    convert.convert(prototxt, caffemodel, tmp_path / "street.h5")
    if kind == "keras":
        keras_fcn.from_caffe(prototxt, tmp_path / "street.h5").save(tmp_path / "street.keras")
        source = ("--model", tmp_path / "street.keras")
    else:
        source = ("--prototxt", prototxt, "--weights", tmp_path / "street.h5")
    arguments = ("segment", image, "-o")
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    run(*arguments, first, "--prototxt", prototxt, "--weights", caffemodel)
    assert run(*arguments, second, *source).status == 0
    assert first.read_bytes() == second.read_bytes()


def test_a_net_that_nobody_knows_needs_its_mean(run, street, tmp_path):
    prototxt, caffemodel, image = street
    arguments = ("segment", image, "--prototxt", prototxt, "--weights", caffemodel, "-o")
    outcome = run(*arguments, tmp_path / "labels.png")
    assert "does not know how its images are prepared" in outcome.error
    assert not (tmp_path / "labels.png").exists()
    outcome = run(*arguments, tmp_path / "labels.png", "--mean", "none")
    assert outcome.status == 0, outcome
    assert "class " in outcome.out


def test_names_may_be_given(run, street, tmp_path):
    prototxt, caffemodel, image = street
    (tmp_path / "names").write_text("\n".join(f"kind {index}" for index in range(11)))
    outcome = run(
        *("segment", image, "--prototxt", prototxt, "--weights", caffemodel, "--mean", "none"),
        *("-o", tmp_path / "labels.png", "--labels", tmp_path / "names"),
    )
    assert outcome.status == 0, outcome
    assert "kind " in outcome.out


@pytest.mark.slow
def test_a_published_name_loads_its_constructor(run, net, monkeypatch, tmp_path):
    """By its weights in the cache; a classifier, which has no pixels to label."""
    monkeypatch.setenv("KERAS_FCN_HOME", str(tmp_path))
    entry = PublishedModel("small", "x", constructor="LeNet", options={"classes": 12}, mean=(1.0,))
    monkeypatch.setitem(published(), "small", entry)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "small.caffemodel").write_bytes(net.caffemodel.read_bytes())
    Image.new("L", (28, 28)).save(tmp_path / "image.png")
    arguments = (tmp_path / "image.png", "--model", "small", "-o", tmp_path / "labels.png")
    assert "Received: (None, 12) from 'lenet'" in run("segment", *arguments).error
    outcome = run("predict", *arguments[:-2], "-o", tmp_path)
    assert outcome.status == 0, outcome
    assert "(1)" in outcome.err  # the registry's mean, as predict says how it prepares images
    keras.backend.clear_session()


def test_without_a_network_the_name_gives_one_line(run, monkeypatch, tmp_path, street):
    monkeypatch.setenv("KERAS_FCN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    entry = dataclasses.replace(
        published()["dilation8_camvid"], weights=RemoteFile(("http://127.0.0.1:9/x",))
    )
    monkeypatch.setitem(published(), "dilation8_camvid", entry)
    outcome = run("segment", street[2], "--model", "dilation8_camvid", "-o", tmp_path / "x.png")
    assert "http://127.0.0.1:9/x: no connection" in outcome.error
    assert "put it here" in outcome.error
    outcome = run("segment", street[2], "--model", "dilation8_kamvid", "-o", tmp_path / "x.png")
    assert "did you mean 'dilation8_camvid'" in outcome.error
