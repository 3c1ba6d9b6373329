from __future__ import annotations

import keras
import numpy as np
import pytest
from PIL import Image

import keras_fcn
from keras_fcn.cli import main
from keras_fcn.preprocessing.resampling import half_pixel, resample, resize

PREPARED = keras_fcn.Preprocessing(mean=(100, 110, 120), input_scale=1 / 64)
IMAGE = np.random.default_rng(1).integers(0, 256, (37, 50, 3), np.uint8)


def network(*more: keras.layers.Layer, size=(None, None)) -> keras.Model:
    """A map of five classes at half the image's size; position i is at pixel 2 i + 1."""
    keras.utils.set_random_seed(3)
    image = keras.Input((*size, 3))
    conv = keras.layers.Conv2D(5, 3, strides=2, kernel_initializer="normal")
    x = conv(image)
    for layer in more:
        x = layer(x)
    return keras_fcn.with_card(keras.Model(image, x), preprocessing=PREPARED)


def by_hand(model: keras.Model, scales, flip) -> np.ndarray:
    total = np.zeros((*IMAGE.shape[:2], 5))
    for scale in scales:
        size = [round(length * scale) for length in IMAGE.shape[:2]]
        for mirrored in (False, True) if flip else (False,):
            image = resize((IMAGE[:, ::-1] if mirrored else IMAGE) / 255, size)
            scores = np.asarray(model(PREPARED(image)[np.newaxis]))[0]
            centres = [half_pixel(*pair) for pair in zip(size, IMAGE.shape, strict=False)]
            found = resample(scores, *[(x - 1) / 2 for x in centres])
            total += found[:, ::-1] if mirrored else found
    return total.argmax(axis=-1)


@pytest.mark.parametrize(
    ("scales", "flip"), [((1,), True), ((0.75, 1, 1.5), False), ((0.5, 1.25), True)]
)
def test_the_mean_of_several_passes(scales, flip):
    model = network(keras.layers.Softmax())
    found = keras_fcn.segment(model, IMAGE, scales=scales, flip=flip)
    assert (found.shape, found.dtype) == (IMAGE.shape[:2], np.uint8)
    assert (found == by_hand(model, scales, flip)).mean() > 0.999  # but for ties
    assert (found != keras_fcn.segment(model, IMAGE)).mean() > 0.05


def test_one_pass_is_that_of_segment():
    model = network()
    np.testing.assert_array_equal(
        keras_fcn.segment(model, IMAGE, scales=(1.0,)), keras_fcn.segment(model, IMAGE)
    )


def test_in_tiles():
    model = network()
    whole = keras_fcn.segment(model, IMAGE, scales=(1, 2), flip=True)
    tiled = keras_fcn.segment(model, IMAGE, scales=(1, 2), flip=True, tile=32)
    assert (whole == tiled).mean() > 0.999


@pytest.mark.parametrize("scales", [(), (0,), (-1,), (np.nan,), (100,), (1,) * 17])
def test_factors_that_are_none(scales):
    with pytest.raises(ValueError, match="scales` are 1 to 16 factors"):
        keras_fcn.segment(network(), IMAGE, scales=scales)


@pytest.mark.parametrize("scales", [None, "1", ("1",), "0.5,1"])
def test_factors_that_are_no_numbers(scales):
    with pytest.raises(ValueError, match="scales` are factors of the image's size, such as"):
        keras_fcn.segment(network(), IMAGE, scales=scales)


def test_one_factor():
    model = network()
    np.testing.assert_array_equal(
        keras_fcn.segment(model, IMAGE, scales=0.75), keras_fcn.segment(model, IMAGE, scales=[0.75])
    )


def test_networks_that_have_no_mean():
    with pytest.raises(ValueError, match=r"takes images of \(20, 30\) alone"):
        keras_fcn.segment(network(size=(20, 30)), IMAGE, scales=(1, 2))
    assert keras_fcn.segment(network(size=(20, 30)), IMAGE, flip=True).shape == (37, 50)
    labels = network(keras_fcn.layers.ArgMax(axis=-1))
    with pytest.raises(ValueError, match="labels have no mean"):
        keras_fcn.segment(labels, IMAGE, flip=True)
    cropped = keras_fcn.Preprocessing(size=(40, 40), crop=(30, 30))
    with pytest.raises(ValueError, match=r"cropped to \(30, 30\)"):
        keras_fcn.segment(network(), IMAGE, preprocessing=cropped, scales=(2,))
    mean = keras_fcn.Preprocessing(mean=np.full((80, 80, 3), 100.0))
    with pytest.raises(ValueError, match="mean image"):
        keras_fcn.segment(network(), IMAGE, preprocessing=mean, scales=(0.5,))


def test_the_command(tmp_path, capsys):
    model = network()
    model.save(tmp_path / "net.keras")
    Image.fromarray(IMAGE).save(tmp_path / "x.png")
    command = ["segment", tmp_path / "x.png", "--model", tmp_path / "net.keras"]
    command += ["-o", tmp_path / "y.png", "--scales", "0.5,1,2", "--flip"]
    assert main([str(x) for x in command]) == 0, capsys.readouterr()
    expected = keras_fcn.segment(model, IMAGE, scales=(0.5, 1, 2), flip=True)
    np.testing.assert_array_equal(Image.open(tmp_path / "y.png"), expected)
    command[4:6] = ["-o", tmp_path / "y.npy", "--tile", "32"]
    assert main([str(x) for x in command]) == 1
    assert "--scales and --flip are for" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["segment", "x.png", "--model", "net.keras", "-o", "y.png", "--scales", "1,x"])
    assert "argument --scales" in capsys.readouterr().err
