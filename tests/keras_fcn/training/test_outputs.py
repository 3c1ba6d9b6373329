"""Networks with several outputs: second heads with weights of their own."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_fcn
from keras_fcn.core.model import CaffeFunctional
from keras_fcn.layers import PixelwiseSoftmax
from keras_fcn.training import PixelwiseCrossEntropy, fine_tune
from keras_fcn.training.outputs import main_network
from tests.keras_fcn.training.autodiff import number
from tests.keras_fcn.training.nets import CLASSES, tiny
from tests.keras_fcn.training.test_fine_tuning import QUICK
from tests.keras_fcn.training.test_resuming import StopAt, Stopped, assert_same


def with_side(main_first=True, seed=0, stride=1):
    """A network whose side branch has a softmax too."""
    model = tiny(seed=seed, stride=stride)
    side = keras.layers.Conv2D(CLASSES, 1, name="side_score")(model.get_layer("conv1").output)
    outputs = [model.output, PixelwiseSoftmax(name="side_prob")(side)]
    made = CaffeFunctional(model.input, outputs if main_first else outputs[::-1], name="sided")
    made.card = model.card
    return made


def run(folder, data, model, **options):
    train, val = data
    return fine_tune(model, train, val, folder, **QUICK | options)


@pytest.mark.parametrize(
    "main_first", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["main", "side"]
)
def test_the_loss_is_the_weighted_sum(main_first, data, tmp_path):
    model = with_side(main_first)
    train, _ = data
    images, labels = next(iter(train.to_numpy(model, 8, shuffle=True, repeat=True)))
    loss = PixelwiseCrossEntropy(from_logits=False)
    found = dict(zip(("prob", "side"), model(images)[:: 1 if main_first else -1], strict=True))
    expected = number(loss(labels, found["prob"]) + 0.3 * loss(labels, found["side"]))
    before = model.get_layer("side_score").get_weights()
    options = {"epochs": 1, "batch_size": 8, "auxiliary": {"side_prob": 0.3}}
    result = run(tmp_path / "run", data, model, exports=("keras",), **options)
    assert result.history[0]["loss"] == pytest.approx(expected, rel=1e-5)
    assert (before[0] != model.get_layer("side_score").get_weights()[0]).any()
    assert [x.shape[-1] for x in result.model.outputs] == [CLASSES]
    assert "side_score" not in {layer.name for layer in result.model.layers}
    image, mask = data[1].read(0)
    loaded = keras_fcn.load(tmp_path / "run" / "model.keras")
    said = keras_fcn.segment(result.model, image)
    assert said.shape == mask.shape
    np.testing.assert_array_equal(keras_fcn.segment(loaded, image), said)
    assert loaded.card.classes.names == train.classes


@pytest.mark.slow
def test_a_stopped_run_goes_on_exactly(data, tmp_path):
    options = {"epochs": 2, "batch_size": 4, "auxiliary": {"side_prob": 0.3}, "save_every": 1}
    whole = run(tmp_path / "whole", data, with_side(), **options)
    with pytest.raises(Stopped):
        run(tmp_path / "broken", data, with_side(), callbacks=[StopAt(0, 1)], **options)
    assert_same(run(tmp_path / "broken", data, with_side(seed=5), **options), whole)


def test_outputs_without_a_weight_are_named(data, tmp_path):
    model = with_side()
    assert main_network(tiny(), {}).name == "tiny"
    for auxiliary in ({}, {"conv1": 1.0}, {"prob": 1.0, "side_prob": 1.0}):
        with pytest.raises(
            ValueError, match=r"auxiliary=\{layer: weight\}.*layers prob, side_prob, and"
        ):
            main_network(model, auxiliary)
    with pytest.raises(ValueError, match="second heads of its own must score the 4 classes"):
        run(tmp_path / "run", data, model, auxiliary={"side_prob": 1.0}, new_head=True)
    assert not (tmp_path / "run").exists()
