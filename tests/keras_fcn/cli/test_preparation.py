from __future__ import annotations

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.cli.flags import flag
from keras_fcn.cli.preparation_options import factor, size
from keras_fcn.inference.prediction import model_preprocessing
from keras_fcn.inference.preparation import describe, prepare_as, read_mean
from keras_fcn.preprocessing.means import ILSVRC_2012_MEAN_PIXEL


def _plain(shape: tuple[int | None, ...]) -> keras.Model:
    return keras.Sequential([keras.Input(shape), keras.layers.ReLU()], name="plain")


@pytest.mark.parametrize(
    ("text", "value"), [("256", (256, 256)), ("360x480", (360, 480)), ("1X2", (1, 2))]
)
def test_size(text, value):
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "x", "1x2x3", "-1", "0", "1.5"])
def test_wrong_size(text):
    with pytest.raises(ValueError):  # noqa: PT011  argparse writes the message
        size(text)


FACTORS = [("255", 255), ("1/256", 1 / 256), ("1/127.5", 1 / 127.5), ("4e-3", 0.004)]


@pytest.mark.parametrize(("text", "value"), FACTORS)
def test_factor(text, value):
    assert factor(text) == value


@pytest.mark.parametrize("text", ["", "x", "1/0", "1/x", "1/2/3"])
def test_wrong_factor(text):
    with pytest.raises(ValueError):  # noqa: PT011  argparse writes the message
        factor(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("none", None),
        ("33.5", (33.5,)),
        ("104,117,123", (104, 117, 123)),
        ("ilsvrc_2012", "ilsvrc_2012"),
        ("ilsvrc_2012_pixel", "ilsvrc_2012_pixel"),
    ],
)
def test_mean_in_words(text, value):
    mean = read_mean(text)
    assert mean == value
    assert prepare_as(_plain((10, 10, 3)), {"mean": mean}).mean == value


def test_mean_in_a_file(tmp_path):
    image = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    np.save(tmp_path / "mean.npy", image)
    np.testing.assert_array_equal(read_mean(str(tmp_path / "mean.npy")), image.transpose(1, 2, 0))
    with pytest.raises(convert.CaffeError, match="cannot read"):
        read_mean(str(tmp_path / "absent.npy"))


def test_mean_that_is_none_of_these():
    with pytest.raises(ValueError, match=r"Received: 104,blue"):
        read_mean("104,blue")


def test_the_models_own_way_is_kept():
    model = keras_fcn.CaffeNetFCN(include_top=False)
    own = model_preprocessing(model)
    assert prepare_as(model, {}) == own
    changed = prepare_as(model, {"channel_order": "rgb", "raw_scale": 1.0, "mean": None})
    assert (changed.channel_order, changed.raw_scale, changed.mean) == ("rgb", 1.0, None)
    assert (changed.input_scale, changed.channels) == (own.input_scale, own.channels)


def test_a_network_of_one_size_gets_its_size():
    mean = {"mean": None}
    assert prepare_as(_plain((20, 30, 3)), mean).size == (20, 30)
    cropped = prepare_as(_plain((20, 30, 3)), mean, (40, 50))
    assert (cropped.size, cropped.crop) == ((40, 50), (20, 30))
    free = prepare_as(_plain((None, None, 3)), mean)
    assert (free.size, free.crop) == (None, None)
    resized = prepare_as(_plain((None, None, 3)), mean, (40, 50))
    assert (resized.size, resized.crop) == ((40, 50), None)


def test_a_network_of_any_size_gets_the_mean_pixel_of_a_mean_image():
    image = np.stack([np.full((4, 5), 10), np.arange(20).reshape(4, 5)], axis=-1)
    image = np.concatenate([image, image[..., :1]], axis=-1).astype(np.float32)
    assert prepare_as(_plain((None, None, 3)), {"mean": image}).mean == (10, 9.5, 10)
    np.testing.assert_array_equal(prepare_as(_plain((4, 5, 3)), {"mean": image}).mean, image)


def test_a_model_that_does_not_say_its_mean():
    with pytest.raises(ValueError, match=r"give --mean, or --mean none. Received: plain"):
        prepare_as(_plain((10, 10, 3)), {}, option=flag)


def test_a_mean_in_other_units_than_the_image():
    with pytest.raises(ValueError, match=r"--raw-scale. Received: mean up to 122.7, raw scale 1"):
        prepare_as(
            _plain((10, 10, 3)), {"mean": ILSVRC_2012_MEAN_PIXEL, "raw_scale": 1.0}, option=flag
        )


def test_a_model_that_takes_no_images():
    with pytest.raises(ValueError, match=r"one input of images. Received: inputs \[\(None, 7\)\]"):
        prepare_as(_plain((7,)), {"mean": None})


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"mean": None}, "images: resized to 4x5, BGR 0..255"),
        ({"mean": (1, 2.25, 3)}, "images: resized to 4x5, BGR 0..255, less mean (1, 2.25, 3)"),
        (
            {"mean": None, "interpolation": "opencv"},
            "images: resized to 4x5 (opencv), BGR 0..255",
        ),
        (
            {"mean": np.ones((6, 7, 3)), "channel_order": "rgb"},
            "images: resized to 4x5, RGB 0..255, less the centre of mean image 6x7",
        ),
        (
            {"mean": "ilsvrc_2012", "input_scale": 0.5},
            "images: resized to 4x5, BGR 0..255, less mean ilsvrc_2012, times 0.5",
        ),
    ],
)
def test_describe(changes, line):
    assert describe(prepare_as(_plain((4, 5, 3)), changes)) == line


def test_describe_grey():
    preprocessing = prepare_as(_plain((4, 5, 1)), {"mean": None, "raw_scale": 1.0}, (8, 9))
    assert describe(preprocessing) == "images: resized to 8x9, centre 4x5, grey 0..1"
