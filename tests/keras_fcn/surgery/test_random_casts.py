"""Casts of random classifiers are the classifier on its own image, or are refused by name."""

from __future__ import annotations

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.caffe import surgery
from tests.keras_fcn.random_classifiers import (
    SIZE,
    prototxt_classifier,
    randomized,
    stock_classifier,
)

# A softmax along an axis of size 1, which some of these nets have.
pytestmark = pytest.mark.filterwarnings("ignore:(?s).*softmax over axis")
FEW, MANY = range(12), range(100, 300)
IMAGE = np.random.default_rng(0).normal(size=(2, *SIZE, 2)).astype(np.float32)


def arrays(outputs):
    return [np.asarray(x) for x in keras.tree.flatten(outputs)]


def same(cast, classifier):
    """Elements of each output in their order; positions of a map that stays one are one too."""
    for new, old in zip(cast, classifier, strict=True):
        assert new.size == old.size
        np.testing.assert_allclose(
            new.reshape(old.shape), old, rtol=0, atol=1e-5 * np.abs(old).max(initial=1e-6)
        )


def refusal(error, names):
    """A message names a layer, and is this package's own."""
    text = str(error)
    assert "Exception encountered" not in text
    assert "\x1b" not in text
    assert any(f"'{name}'" in text for name in names), text
    return "refused"


def check_keras(model: keras.Model) -> str:
    try:
        fcn = keras_fcn.to_fully_convolutional(model)
    except convert.CaffeError as error:
        if "needs a Flatten or a global pooling" in str(error):
            return "nothing to cast"
        return refusal(error, re.findall(r"layer '([^']*)'", str(error)))
    same(arrays(fcn(IMAGE)), arrays(model(IMAGE)))
    larger = np.zeros((1, SIZE[0] + 16, SIZE[1] + 32, 2), np.float32)
    fcn(larger)
    return "cast"


def check_surgery(net: surgery.TrainedNet, folder: Path) -> str:
    try:
        fcn = surgery.to_fully_convolutional(net)
    except convert.CaffeError as error:
        return refusal(error, [layer.name for layer in net.network.layers])
    data = np.moveaxis(IMAGE, -1, 1)
    found = []
    for one in (net, fcn):
        one.save(folder / "one.prototxt", folder / "one.caffemodel")
        model = keras_fcn.from_caffe(folder / "one.prototxt", folder / "one.caffemodel")
        blobs = keras_fcn.blobs(model, {"data": data})
        found.append([blobs[blob.name] for blob in one.network.outputs])
    same(found[1], found[0])
    return "cast"


def check_stock(seed: int) -> str:
    try:
        model = stock_classifier(seed)
    except ValueError:
        return "no model"  # shapes that Keras refuses
    return check_keras(model)


def check_prototxt(seed: int, folder: Path) -> list[str]:
    path = folder / "net.prototxt"
    path.write_text(prototxt_classifier(seed))
    try:
        net = surgery.open_net(path)
        model = keras_fcn.from_caffe(path)
    except convert.CaffeError:
        return ["no net"]  # shapes that Caffe refuses
    rng = np.random.default_rng(seed)
    for name, blobs in net.params.items():
        net.params[name] = [rng.uniform(0.2, 1, np.shape(x)) - 0.3 * (x.ndim > 1) for x in blobs]
    return [check_keras(randomized(model, seed)), check_surgery(net, folder)]


@pytest.mark.slow
def test_some_random_classifiers(tmp_path):
    results = [check_stock(seed) for seed in FEW]
    for seed in FEW:
        results += check_prototxt(seed, tmp_path)
    assert {"cast", "refused"} <= set(results)


@pytest.mark.slow
@pytest.mark.parametrize("seed", MANY)
def test_random_classifiers(seed, tmp_path):
    check_stock(seed)
    check_prototxt(seed, tmp_path)
