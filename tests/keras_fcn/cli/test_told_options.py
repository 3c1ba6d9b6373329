"""One set of options on images and classes: the card is kept, but for what is given."""

from __future__ import annotations

import argparse

import keras
import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn.cli import commands, preparation_options
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.classes import Classes

OPTIONS = (
    *("--mean", "--input-scale", "--raw-scale", "--rgb", "--no-rgb", "--size", "--crop"),
    *("--labels", "--palette", "--interpolation"),
)
TOLD = ("--mean", "104,117,123", "--input-scale", "1/64", "--rgb", "--size", "12x16")
OWN = Preprocessing(size=(12, 16), mean=(104, 117, 123), input_scale=1 / 64, channel_order="rgb")


def stock(size=(None, None)):
    """A network of Keras alone, which knows nothing."""
    keras.utils.set_random_seed(3)
    x = keras.Input((*size, 3), name="data")
    y = keras.layers.Conv2D(3, 3, padding="same", activation="softmax", name="score")(x)
    return keras.Model(x, y, name="stock")


@pytest.fixture
def net(tmp_path):
    pixels = np.random.default_rng(5).integers(0, 256, (24, 32, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    stock().save(tmp_path / "net.keras")
    return tmp_path


def loaded(*given, model=None, needed=True):
    """A model told by options; a given one stays as it is."""
    model = stock() if model is None else keras_fcn.with_card(model)
    parser = argparse.ArgumentParser()
    preparation_options.add_arguments(parser)
    options = parser.parse_args([str(text) for text in given])
    return preparation_options.prepared(lambda: model, options, needed=needed)()


@pytest.mark.parametrize(
    "command",
    [
        *("predict", "classify", "segment", "detect", "keypoints", "embed"),
        *("train", "evaluate", "export", "convert"),
    ],
)
def test_every_command_has_every_option(command):
    subparsers = commands.parser()._subparsers._group_actions[0].choices
    assert {*OPTIONS} <= subparsers[command]._option_string_actions.keys()


def test_a_model_is_told_by_options_what_python_tells_it(run, net):
    (net / "labels.txt").write_text("wall\ncat\ndog\n")
    (net / "palette.txt").write_text("0 0 0\n#804080\n70, 130,180\n")
    names = ("--labels", net / "labels.txt", "--palette", net / "palette.txt")
    told = loaded(*TOLD, *names).card
    assert told.preprocessing == OWN
    palette = [[0, 0, 0], [128, 64, 128], [70, 130, 180]]
    assert told.classes == Classes(("wall", "cat", "dog"), palette)
    command = ("segment", net / "x.png", "--model", net / "net.keras", "-o", net / "y.png")
    outcome = run(*command, *TOLD, *names)
    assert outcome.status == 0, outcome
    expected = keras_fcn.segment(
        keras_fcn.with_card(keras.models.load_model(net / "net.keras"), preprocessing=OWN),
        net / "x.png",
    )
    with Image.open(net / "y.png") as image:
        np.testing.assert_array_equal(np.asarray(image), expected)
        assert np.reshape(image.getpalette()[:9], (3, 3)).tolist() == palette
    assert {line.split()[-1] for line in outcome.out.splitlines()[:-1]} <= {"wall", "cat", "dog"}


def test_what_is_exported_with_options_needs_none_later(run, net):
    (net / "labels.txt").write_text("wall\ncat\ndog\n")
    told = (*TOLD, "--labels", net / "labels.txt")
    segment = ("segment", net / "x.png", "-o", net / "y.png", "--model")
    shares = run(*segment, net / "net.keras", *told).out
    for form in ("told.keras", "told"):
        assert run("export", net / "net.keras", "-o", net / form, *told).status == 0
        outcome = run(*segment, net / form)
        assert (outcome.status, outcome.out) == (0, shares)


def test_what_the_card_has_is_kept_and_what_is_given_goes_before(capsys):
    model = keras_fcn.with_card(stock(), preprocessing=OWN)
    changed = loaded("--mean", "1,2,3", model=model).card.preprocessing
    assert (changed.mean, changed.input_scale, changed.channel_order, changed.size) == (
        (1, 2, 3),
        1 / 64,
        "rgb",
        (12, 16),
    )
    assert "assumed" not in capsys.readouterr().err
    assert loaded("--no-rgb", model=model).card.preprocessing.channel_order == "bgr"
    assert loaded("--size", "free", model=model).card.preprocessing.size is None
    cropped = loaded("--crop", "8x10", model=model).card.preprocessing
    assert (cropped.size, cropped.crop) == ((12, 16), (8, 10))
    assert loaded(model=model).card == model.card


def test_what_nobody_says_is_said_to_be_assumed(capsys):
    loaded("--mean", "1,2,3")
    assert capsys.readouterr().err == (
        "images: BGR 0..255, less mean (1, 2, 3); assumed, as nothing says else: BGR (--rgb), "
        "white 255 (--raw-scale), no factor (--input-scale)\n"
    )
    loaded("--mean", "none", "--no-rgb", "--raw-scale", "1", "--input-scale", "2")
    assert "assumed" not in capsys.readouterr().err


def test_nothing_is_needed_of_an_export(capsys):
    assert not hasattr(loaded(needed=False), "card")
    assert capsys.readouterr().err == ""
    with pytest.raises(ValueError, match="give --mean"):
        loaded("--rgb", needed=False)


def test_free_sizes_go_before_the_declared_one(tmp_path):
    x = keras.Input((None, None, 3))
    y = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 1)(x))
    own = Preprocessing(mean=None)
    model = keras_fcn.with_card(keras.Model(x, y), size=(6, 8), preprocessing=own)
    assert loaded(model=model).card.preprocessing.size == (6, 8)
    free = loaded("--size", "free", model=model).card
    assert (free.preprocessing.size, free.size) == (None, None)


def test_a_tiled_network_is_not_cropped_to_a_tile():
    model = keras_fcn.with_card(
        stock((8, 8)), tiles=keras_fcn.preprocessing.tiles.Tiles((8, 8), 1, 1), preprocessing=OWN
    )
    told = loaded("--size", "20x30", model=model).card.preprocessing
    assert (told.size, told.crop) == ((20, 30), None)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--crop", "5x5", "--mean", "none"), "--crop must be 6x8"),
        (("--labels", "labels.txt"), "--labels must name each of the 3"),
        (("--palette", "labels.txt"), "labels.txt:1: a colour is .*'a'"),
        (("--palette", "pascal_voc"), r"--palette must be .* \(3, 3\)"),
        (("--palette", "imagenet"), "no colours"),
        (("--mean", "1,2"), "mean"),
    ],
)
def test_messages_name_options(options, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.txt").write_text("a\nb\n")
    with pytest.raises(ValueError, match=says):
        loaded(*options, model=stock((6, 8)))


@pytest.mark.slow
def test_a_run_is_told_and_its_model_needs_nothing(run, tmp_path):
    keras_fcn.datasets.shapes.write(tmp_path / "data", 4, 2, (16, 16))
    stock().save(tmp_path / "net.keras")
    (tmp_path / "palette.txt").write_text("1 2 3\n4 5 6\n7 8 9\n10 11 12\n")
    data, model = tmp_path / "data", tmp_path / "run" / "model.keras"
    command = ("train", data, "--model", tmp_path / "net.keras", "-o", tmp_path / "run")
    command += ("--epochs", 1, "--samples", 0, "--export", "keras", "--mean", "128,128,128")
    command += ("--input-scale", "0.015", "--size", "24x24", "--palette", tmp_path / "palette.txt")
    trained = run(*command)
    assert trained.status == 0, trained
    card = keras_fcn.load(model).card
    assert (card.preprocessing.size, card.preprocessing.input_scale) == ((24, 24), 0.015)
    assert card.classes.palette.tolist()[1] == [4, 5, 6]
    table = trained.out.partition("val:\n")[2].partition("wrote")[0]
    assert table in run("evaluate", data, "--model", model).out
    picture = next((data / "images").glob("*.png"))
    segmented = run("segment", picture, "--model", model, "-o", tmp_path / "y.png")
    assert {line.split()[-1] for line in segmented.out.splitlines()[:-1]} <= {*card.classes.names}
    with Image.open(tmp_path / "y.png") as image:
        assert image.getpalette()[:6] == [1, 2, 3, 4, 5, 6]
    refused = run(*command, "--mean", "10,20,30")
    assert "--mean [10.0, 20.0, 30.0] (was [128.0, 128.0, 128.0])" in refused.error
    wrong = run(*command[:-1], "pascal_voc")
    assert "--palette must have a colour for each of the 4 classes" in wrong.error
