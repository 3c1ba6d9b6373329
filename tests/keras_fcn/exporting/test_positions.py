"""Where the positions of a coarse map lie: files of other programs tell it as layers do."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import convert
import keras_fcn
from keras_fcn.cards.stored import read_card
from keras_fcn.graph.receptive_fields import output_field

PREPARED = keras_fcn.Preprocessing(channels=1, mean=None, input_scale=1 / 256)
SAMPLES = Path(keras_fcn.__file__).parent / "samples"
FORMS = ["net.onnx", "net.param", "net"]


@pytest.fixture(scope="module")
def network() -> keras.Model:
    model = keras_fcn.LeNetFCN()
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.1, x.shape) for x in model.get_weights()])
    return keras_fcn.with_card(model, preprocessing=PREPARED)


@pytest.mark.parametrize("name", FORMS)
def test_labels_of_every_file_are_those_of_the_model(name, network, tmp_path):
    image = np.random.default_rng(1).integers(0, 256, (53, 66), np.uint8)
    expected = keras_fcn.segment(network, image)
    path = keras_fcn.export(network, tmp_path / name)
    load = keras_fcn.load if name == "net" else keras_fcn.optimize_for_inference
    np.testing.assert_array_equal(keras_fcn.segment(load(path), image), expected)


def test_a_converted_file_tells_them_without_any_card(tmp_path):
    net = [SAMPLES / f"lenet_plate.{ending}" for ending in ("prototxt", "caffemodel")]
    convert.convert(*net, tmp_path / "net.onnx", fully_convolutional=True)
    found = keras_fcn.optimize_for_inference(tmp_path / "net.onnx").card.positions
    cast = keras_fcn.to_fully_convolutional(keras_fcn.from_caffe(*net))
    assert found == output_field(cast).positions == ((13.5, 13.5), (4, 4))


@pytest.mark.parametrize("value", [[[0, 0], [4, 0]], [[0, 0], [4, -4]], [[0, 0]], [0, 4], "no"])
def test_positions_that_are_none_are_refused(value):
    with pytest.raises((TypeError, ValueError), match=r"no card of a model.*positions"):
        read_card(json.dumps({"positions": value}), "net.onnx")
