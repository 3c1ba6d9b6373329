"""How images are prepared for training stays with the trained model, and with its run."""

from __future__ import annotations

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.preprocessing import Preprocessing
from keras_fcn.training import evaluate
from tests.keras_fcn.training.nets import PREPROCESSING, tiny

OPTIONS = {
    "epochs": 1,
    "steps_per_epoch": 1,
    "batch_size": 2,
    "learning_rate": 0.01,
    "exports": ("keras",),
    "samples": 0,
    "tensorboard": False,
    "verbose": False,
}
OWN = Preprocessing(mean=(1, 2, 3), input_scale=0.25, channel_order="rgb")


def stock():
    """The network of `tiny`, of Keras' layers alone."""
    model = tiny()
    return keras.Model(model.inputs, model.outputs, name="stock")


def run(model, data, folder, **options):
    return keras_fcn.fine_tune(model, *data, folder, **OPTIONS | options)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A network of Keras alone that was made by a function, and the run that trained it."""
    made = []

    def make():
        made.append(stock())
        return made[-1]

    result = run(make, data, tmp_path_factory.mktemp("run"), preprocessing=OWN)
    return made[0], result


@pytest.mark.slow
def test_preparation_is_trained_with_and_kept(data, trained):
    given, result = trained
    assert result.model.card.preprocessing == OWN
    assert any(a is b for a in result.model.weights for b in given.weights)
    again = keras_fcn.load(result.run_folder / "model.keras")
    assert again.card.preprocessing == OWN
    assert again.card.classes.names == data[0].classes
    np.testing.assert_array_equal(again.card.classes.palette, data[0].palette)
    np.testing.assert_array_equal(evaluate(again, data[1]).confusion, result.metrics.confusion)


def test_the_run_folder_tells_the_preparation(trained):
    _, result = trained
    config = json.loads((result.run_folder / "config.json").read_text())
    assert config["preprocessing"] == OWN.to_config()


def test_another_preparation_is_another_run(data, trained):
    folder = trained[1].run_folder
    own = Preprocessing(mean=np.ones((40, 40, 3)))
    with pytest.raises(ValueError, match=r"mean 'image 40x40x3, sha256 \w{64}' \(was \[1"):
        run(stock(), data, folder, preprocessing=own)
    with pytest.raises(ValueError, match=r"input_scale 0\.015625 \(was 0\.25\)"):
        run(keras_fcn.with_card(stock(), preprocessing=PREPROCESSING), data, folder)
    run(stock(), data, folder, preprocessing=OWN)  # the same one goes on


def test_another_preparation_of_ready_floats_is_another_run(data, trained):
    other = [replace(part, preprocessing=PREPROCESSING) for part in data]
    with pytest.raises(ValueError, match=r"data\.preprocessing\.mean"):
        run(stock(), other, trained[1].run_folder, preprocessing=OWN)


def test_no_preparation_is_refused_before_anything_is_told(data, tmp_path, capsys):
    with pytest.raises(ValueError, match="how its images are prepared"):
        run(stock(), data, tmp_path / "run", verbose=True)
    assert "images" not in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
