"""The article on licence plates, from its database to the map of a photograph."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import keras_fcn
from keras_fcn.caffe.surgery import open_net
from keras_fcn.core.card import card_of
from keras_fcn.datasets import load_lmdb_classes
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.preprocessing.images import load_image
from keras_fcn.samples import sample_path
from keras_fcn.training import evaluate

pytest.importorskip("lmdb", reason="LMDB databases need the package lmdb")

FOLDER = Path(__file__).parents[2] / "examples" / "licence_plate"
CHARACTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


@pytest.fixture(scope="module")
def example():
    """The script, which imports others by their plain names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(FOLDER), *sys.path])
        yield importlib.import_module("from_lmdb")
    for path in FOLDER.glob("*.py"):
        sys.modules.pop(path.stem, None)


def run(example, folder, *arguments):
    return example.main([*map(str, arguments), "-o", str(folder)])


@pytest.fixture(scope="module")
def result(example, tmp_path_factory):
    folder = tmp_path_factory.mktemp("article")
    return folder, run(example, folder, "--windows", 64, "--tests", 16, "--epochs", 1)


@pytest.mark.slow
def test_a_datum_is_read_and_shown(result):
    folder, _ = result
    data = load_lmdb_classes(folder / "train_lmdb", classes=CHARACTERS)
    assert len(data) == 64
    image, label = data[0]
    assert (image.shape, image.dtype) == ((28, 28, 1), np.uint8)
    assert 0 <= label < 36
    picture = load_image(folder / "datum.png")
    enlarged = image[..., 0].repeat(8, axis=0).repeat(8, axis=1)
    np.testing.assert_array_equal(picture[-224:, :, 0], enlarged)


def test_the_trained_lenet_knows_its_job(result):
    folder, found = result
    card = card_of(found.classifier)
    assert card.classes.names == CHARACTERS
    assert card.preprocessing == Preprocessing(channels=1, mean=None, input_scale=1 / 256)
    data = load_lmdb_classes(folder / "val_lmdb", classes=CHARACTERS)
    expected = np.zeros((36, 36), int)
    for image, label in data:
        expected[label, keras_fcn.classify(found.classifier, image, 1)[0]["index"]] += 1
    np.testing.assert_array_equal(evaluate(found.classifier, data).confusion, expected)


def test_the_first_filters_are_drawn(result):
    folder, found = result
    assert found.classifier.get_layer("conv1").kernel.shape == (5, 5, 1, 20)
    assert load_image(folder / "conv1.png").shape == (4 * 42 - 2, 5 * 42 - 2, 3)


def test_the_map_is_that_of_the_article(result):
    """And it is the classifier on each window of the photograph."""
    folder, found = result
    assert found.probabilities.shape == (67, 174, 36)
    assert found.fcn.get_layer("ip1-conv").kernel.shape == (4, 4, 50, 500)
    again = keras_fcn.load(folder / "lenet_fcn.keras")
    np.testing.assert_array_equal(again.get_weights()[0], found.fcn.get_weights()[0])
    grey = load_image(sample_path("plate.png"), color=False)
    for row, column in ((0, 0), (41, 77), (65, 172)):
        window = grey[4 * row : 4 * row + 28, 4 * column : 4 * column + 28]
        expected = keras_fcn.predict(found.classifier, window)
        np.testing.assert_allclose(found.probabilities[row, column], expected, atol=1e-5)
    assert load_image(folder / "map_2.png").shape == (290, 720, 3)


def test_it_is_a_network_of_caffe_again(result):
    folder, found = result
    net = open_net(folder / "run" / "model.prototxt", folder / "run" / "model.caffemodel")
    kernel = found.classifier.get_layer("conv1").kernel.numpy()
    np.testing.assert_array_equal(net.params["conv1"][0].data, kernel.transpose(3, 2, 0, 1))


@pytest.mark.slow
def test_it_learns_to_read(example, tmp_path):
    found = run(example, tmp_path, "--windows", 2000, "--epochs", 6)
    assert (
        found.metrics.accuracy > 0.7
    )  # of 36 characters, tilted, blurred and shaded; 0.03 by chance
    assert found.metrics.top_5_accuracy > 0.9
    history = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert len(history) == 7
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["accuracy"] == found.metrics.accuracy
