"""What a model knows of its use goes with it into every form, and is read back from it."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import warnings
import zipfile

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from PIL import Image

import convert
import keras_fcn
from keras_fcn.caffe.text.card_line import CARD_NAME
from keras_fcn.core.card import Card, card_of
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.classes import Classes
from keras_fcn.preprocessing.tiles import Tiles

MEAN = np.random.default_rng(1).uniform(90, 150, (14, 16, 3)).astype(np.float32)
OWN = Preprocessing(
    size=(14, 16), crop=(10, 12), mean=MEAN, input_scale=1 / 64, channel_order="rgb"
)
CLASSES = Classes(("wall", "cat", "süß"), [[1, 2, 3], [4, 5, 6], [7, 8, 9]], ignore=255)
USE = Card(preprocessing=OWN, classes=CLASSES, task="map")


def network(size=(10, 12), classes=3, channels=3):
    keras.utils.set_random_seed(4)
    x = keras.Input((*size, channels), name="data")
    y = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(x)
    y = keras.layers.Conv2D(classes, 1, name="score")(y)
    return keras.Model(x, keras_fcn.PixelwiseSoftmax(name="prob")(y), name="net")


@pytest.fixture(scope="module")
def model():
    return keras_fcn.with_card(network(), preprocessing=OWN, classes=CLASSES, task="map")


def read_back(model, folder, form):
    """The model in a form, loaded again."""
    if form in ("keras", "h5"):
        model.save(folder / f"net.{form}")
        return keras_fcn.load(folder / f"net.{form}")
    if form == "saved_model":
        return keras_fcn.load(keras_fcn.export(model, folder / "net"))
    keras_fcn.export(model, folder / "net.prototxt")
    files = folder / "net.prototxt", folder / "net.caffemodel"
    if form == "caffe":
        return keras_fcn.load(*files)
    convert.convert(*files, folder / "by_name.h5")
    if form == "by_name.h5":
        return keras_fcn.load(folder / "by_name.h5")
    bare = folder / "bare.prototxt"  # the prototxt alone knows nothing
    bare.write_text("\n".join(files[0].read_text().splitlines()[1:]))
    assert card_of(keras_fcn.load(bare, files[1])).preprocessing is None
    return keras_fcn.load(bare, folder / "by_name.h5")


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning")
@pytest.mark.parametrize(
    "form", ["keras", "h5", "saved_model", "caffe", "by_name.h5", "bare prototxt"]
)
def test_read_back(form, model, tmp_path):
    again = read_back(model, tmp_path, form)
    card = card_of(again)
    assert card.preprocessing == OWN
    assert card.preprocessing.mean.dtype == np.float32
    assert (card.classes, card.task) == (CLASSES, "map")
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    np.testing.assert_allclose(
        keras_fcn.predict(again, image), keras_fcn.predict(model, image), atol=1e-6
    )


def test_a_prototxt_with_a_card_is_caffe_s_own(model, tmp_path):
    keras_fcn.export(model, tmp_path / "net.prototxt")
    first, *rest = (tmp_path / "net.prototxt").read_text().splitlines()
    assert first.startswith("# keras_fcn card: {")
    assert not any("#" in line for line in rest)
    net = convert.surgery.open_net(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    assert net.params["score"][0].shape == (3, 4, 1, 1)


@pytest.mark.parametrize(
    "form",
    [
        "from an editor",
        pytest.param(
            "from a pipe",
            marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here"),
        ),
    ],
)
def test_a_prototxt_is_read_once_and_however_it_is_written(form, model, tmp_path):
    path, other = keras_fcn.export(model, tmp_path / "net.prototxt"), tmp_path / "other.prototxt"
    text = path.read_text("utf-8")
    if form == "from an editor":
        other.write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    else:
        os.mkfifo(other)  # whoever opens it again waits for another writer
        threading.Thread(target=other.write_text, args=(text,), daemon=True).start()
    again = keras_fcn.from_caffe(other, path.with_suffix(".caffemodel"))
    assert (again.card.classes, again.card.preprocessing) == (CLASSES, OWN)


def test_what_nobody_knows_is_not_written(tmp_path):
    keras_fcn.export(network(), tmp_path / "net.prototxt")
    assert not (tmp_path / "net.prototxt").read_text().startswith("#")
    keras_fcn.export(network(), tmp_path / "net")
    assert not (tmp_path / "net" / "assets.extra").exists()


def test_another_head_takes_the_preparation_alone(model, tmp_path):
    keras_fcn.export(model, tmp_path / "net.prototxt")
    files = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    card = keras_fcn.from_caffe(*files, outputs=["conv"]).card
    assert (card.preprocessing, card.classes, card.task) == (OWN, None, "")


def test_a_damaged_card_is_refused_by_name(model, tmp_path):
    path = tmp_path / "net.prototxt"
    keras_fcn.export(model, path)
    path.write_text(path.read_text().replace('"names"', '"nmaes"', 1))
    with pytest.raises(ValueError, match=r"first line of .*net\.prototxt is no card"):
        keras_fcn.from_caffe(path)


def test_onnx_metadata(model, tmp_path):
    keras_fcn.export(model, tmp_path / "net.onnx")
    stored = {x.key: x.value for x in onnx.load(tmp_path / "net.onnx").metadata_props}
    assert Card.from_config(json.loads(stored[CARD_NAME])) == USE


@pytest.mark.slow
@pytest.mark.filterwarnings(r"ignore:\s+Warning. tf.lite.Interpreter is deprecated:UserWarning")
def test_litert(model, tmp_path):
    path = keras_fcn.export(model, tmp_path / "net.tflite")
    with zipfile.ZipFile(path) as archive:
        assert Card.from_config(json.loads(archive.read(f"{CARD_NAME}.json"))) == USE
        assert archive.read("labels.txt").decode().splitlines() == [*CLASSES.names]
    interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    images = np.random.default_rng(2).random((1, 10, 12, 3), np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, model.predict(images, verbose=0), atol=1e-5)


@pytest.mark.slow
def test_operators_that_litert_lacks_are_named(tmp_path):
    x = keras.Input((2, 2, 1))
    model = keras.Model(x, keras.ops.sinh(x))
    with pytest.warns(convert.CaffeWarning, match=r"lacks FlexSinh, .* the Flex delegate"):
        keras_fcn.export(model, tmp_path / "net.tflite")
    with warnings.catch_warnings():
        warnings.simplefilter("error", convert.CaffeWarning)
        keras_fcn.export(keras.Model(x, keras.ops.relu(x)), tmp_path / "net.tflite")


FREE = Preprocessing(mean=(104, 117, 123))
INSIDE = {
    "size, crop and mean image": (network, OWN),
    "corners": (network, Preprocessing(size=(10, 12), interpolation="bilinear_corners")),
    "any size": (lambda: network((None, None)), FREE),
    "its input's size": (network, FREE),
    "mean image of any size": (
        lambda: network((None, None)),
        Preprocessing(mean=np.resize(MEAN, (40, 40, 3))),
    ),
    "grey": (lambda: network(channels=1), Preprocessing(channels=1, mean=33, raw_scale=1)),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", INSIDE)
def test_images_are_prepared_inside(case, tmp_path):
    make, own = INSIDE[case]
    made = make()
    logits = keras.Model(made.inputs, made.get_layer("score").output)
    model = keras_fcn.with_card(logits, preprocessing=own)
    path = keras_fcn.export(model, tmp_path / "net", preprocessing_inside=True)
    signatures = tf.saved_model.load(str(path)).signatures
    for height, width in ((37, 23), (16, 31)):
        shape = (2, height, width, own.channels)
        images = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
        found = signatures["images"](images=tf.constant(images))["score"]
        expected = [keras_fcn.predict(model, image) for image in images]
        largest = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * largest)
    assert card_of(keras_fcn.load(path)).preprocessing == own


def test_only_whole_images_are_prepared_inside(model, tmp_path):
    tiled = keras_fcn.with_card(network(), preprocessing=FREE, tiles=Tiles((10, 12), 1, 1))
    unknown = keras_fcn.with_card(network(), classes=CLASSES)
    rounded = keras_fcn.with_card(
        network(), preprocessing=dataclasses.replace(FREE, size=(10, 12), interpolation="opencv")
    )
    cases = [(tiled, "cuts images into tiles"), (unknown, "does not know how"), (rounded, "opencv")]
    for other, says in cases:
        with pytest.raises(ValueError, match=says):
            keras_fcn.export(other, tmp_path / "net", preprocessing_inside=True)
    with pytest.raises(ValueError, match="no such options"):
        keras_fcn.export(model, tmp_path / "net.keras", preprocessing_inside=True)
    assert not [*tmp_path.iterdir()]


def test_a_picture_s_classes_come_from_the_file(model, tmp_path):
    from keras_fcn.cli import main

    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "x.png")
    keras_fcn.export(model, tmp_path / "net.prototxt")
    files = ["--model", tmp_path / "net.prototxt", "--weights", tmp_path / "net.caffemodel"]
    command = ["segment", tmp_path / "x.png", *files, "-o", tmp_path / "y.png"]
    assert main([str(text) for text in command]) == 0
    with Image.open(tmp_path / "y.png") as image:
        assert image.getpalette()[:9] == CLASSES.palette.reshape(-1).tolist()
